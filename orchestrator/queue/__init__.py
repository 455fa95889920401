"""Celery: the application, its queues and routes, and the chains that are sent after a commit."""
