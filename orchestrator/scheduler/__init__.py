"""The scheduler: one file a duty, started by Celery beat; every duty is safe when two schedulers run."""
