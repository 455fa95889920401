"""The Celery application as Flower sees it: with the operators' tasks, so that it can call them by name."""

from orchestrator.scheduler.process import scheduler_app
from orchestrator.settings import Settings

app = scheduler_app(Settings())
