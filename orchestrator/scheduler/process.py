"""The scheduler process: Celery beat and the worker of its own queue, in one."""

from pathlib import Path
from typing import Any
from uuid import UUID

from celery import Celery

from orchestrator.queue.app import (
    ASK_FOR_USAGE_TASK,
    EXPLAIN_TASK,
    RETRY_TASK,
    SCHEDULER_QUEUE,
    USAGE_TASK,
    WAKE_TASK,
    make_app,
    node_queue,
)
from orchestrator.queue.chains import Bell
from orchestrator.scheduler import ops
from orchestrator.scheduler.usage import ask_for_usage
from orchestrator.scheduler.wake import wake
from orchestrator.settings import Settings
from orchestrator.store.database import Database


def scheduler_app(settings: Settings) -> Celery:
    """The Celery application with the duties, their schedule and the operators' tasks."""
    app = make_app(settings)
    database = Database(settings.database)
    database.announce = Bell(app).ring

    def wake_duty() -> str | None:
        return wake(database, ring_again_seconds=settings.ring_again_seconds)

    def usage_duty() -> str | None:
        def send(cluster: str, node: str) -> None:
            app.send_task(
                USAGE_TASK,
                kwargs={"cluster": cluster},
                queue=node_queue(node),
                expires=settings.usage_seconds,
            )

        return ask_for_usage(database, send)

    def retry(vm: str) -> str:
        return ops.retry(database, UUID(vm))

    def explain(vm: str) -> dict[str, Any]:
        return ops.explain(database, UUID(vm))

    app.task(name=WAKE_TASK, send_events=False)(wake_duty)  # every other second: noise in Flower
    app.task(name=ASK_FOR_USAGE_TASK, send_events=False)(usage_duty)
    app.task(name=RETRY_TASK)(retry)
    app.task(name=EXPLAIN_TASK)(explain)
    app.conf.beat_schedule = {
        name: {
            "task": name,
            "schedule": seconds,
            # After an outage the missed ticks are worth nothing.
            "options": {"expires": max(1.0, seconds * 2), "queue": SCHEDULER_QUEUE},
        }
        for name, seconds in (
            (WAKE_TASK, settings.wake_seconds),
            (ASK_FOR_USAGE_TASK, settings.usage_seconds),
        )
    }
    return app


def run_scheduler(settings: Settings, *, name: str, state_dir: Path) -> None:
    """Serve until told to stop. Two of them may run: duties are guarded in the database."""
    scheduler_app(settings).worker_main(
        [
            "worker",
            "--beat",
            "--pool=threads",
            "--concurrency=4",
            f"--hostname={name}",
            f"--queues={SCHEDULER_QUEUE}",
            f"--schedule={state_dir / 'beat-schedule'}",
            "--without-gossip",
            "--without-mingle",
            "--task-events",
            f"--loglevel={settings.log_level}",
        ]
    )
