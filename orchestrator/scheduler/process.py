"""The scheduler process: Celery beat and the worker of its own queue, in one."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from celery import Celery

from orchestrator.queue.app import (
    DRAIN_TASK,
    EXPLAIN_TASK,
    LOOK_AT_CLUSTER_TASK,
    RECLAIM_NOW_TASK,
    RECLAIM_TASK,
    RESERVATIONS_TASK,
    RESTORE_TASK,
    RETRY_TASK,
    SCHEDULER_QUEUE,
    SWEEP_CLUSTER_TASK,
    SWEEP_TASK,
    WAKE_TASK,
    WATCH_TASK,
    make_app,
    node_queue,
)
from orchestrator.queue.chains import Bell
from orchestrator.scheduler import ops
from orchestrator.scheduler.reclaim import reclaim, reclaim_on
from orchestrator.scheduler.reservations import end_terms
from orchestrator.scheduler.restore import restore
from orchestrator.scheduler.wake import wake
from orchestrator.scheduler.watch import ask_for_look, ask_for_sweep, empty_nodes
from orchestrator.settings import Settings
from orchestrator.store.database import Database

WHOLE_RESULT = 16_384
"""Characters of a result that Flower is told; Celery would cut an explanation at 1,024."""


def scheduler_app(settings: Settings) -> Celery:
    """The Celery application with the duties, their schedule and the operators' tasks."""
    app = make_app(settings)
    database = Database(settings.database)
    database.announce = Bell(app).ring

    def wake_duty() -> str | None:
        return wake(database, ring_again_seconds=settings.ring_again_seconds)

    def ask_worker(task: str, expires: float) -> Callable[[str, str], None]:
        def send(cluster: str, node: str) -> None:
            app.send_task(task, kwargs={"cluster": cluster}, queue=node_queue(node), expires=expires)

        return send

    def watch_duty() -> str | None:
        return ask_for_look(database, ask_worker(LOOK_AT_CLUSTER_TASK, settings.watch_seconds))

    def sweep_duty() -> str | None:
        return ask_for_sweep(database, ask_worker(SWEEP_CLUSTER_TASK, settings.sweep_seconds))

    def drain_duty() -> str | None:
        return empty_nodes(database, notice_seconds=settings.interruption_notice_seconds)

    def reclaim_duty() -> str | None:
        return reclaim(database, settings)

    def reclaim_now(node: str) -> str:
        return f"{reclaim_on(database, settings, node)} changes on node {node}"

    def restore_duty() -> str | None:
        return restore(database, settings)

    def reservations_duty() -> str | None:
        return end_terms(database, notice_seconds=settings.reservation_notice_seconds)

    def retry(vm: str) -> str:
        return ops.retry(database, UUID(vm))

    def explain(vm: str) -> dict[str, Any]:
        return ops.explain(database, UUID(vm), settings)

    app.task(name=RECLAIM_NOW_TASK)(reclaim_now)
    app.task(name=RETRY_TASK)(retry)
    app.task(name=EXPLAIN_TASK, resultrepr_maxsize=WHOLE_RESULT)(explain)
    schedule = {}
    for name, duty, seconds in (
        (WAKE_TASK, wake_duty, settings.wake_seconds),
        (WATCH_TASK, watch_duty, settings.watch_seconds),
        (SWEEP_TASK, sweep_duty, settings.sweep_seconds),
        (DRAIN_TASK, drain_duty, settings.watch_seconds),
        (RECLAIM_TASK, reclaim_duty, settings.reclaim_seconds),
        (RESTORE_TASK, restore_duty, settings.restore_seconds),
        (RESERVATIONS_TASK, reservations_duty, settings.reservations_seconds),
    ):
        app.task(name=name, send_events=False)(duty)  # every other second: noise in Flower
        schedule[name] = {
            "task": name,
            "schedule": seconds,
            # After an outage the missed ticks are worth nothing.
            "options": {"expires": max(1.0, seconds * 2), "queue": SCHEDULER_QUEUE},
        }
    app.conf.beat_schedule = schedule
    return app


def run_scheduler(settings: Settings, *, name: str, state_dir: Path) -> None:
    """Serve until told to stop. Two of them may run: duties are guarded in the database."""
    gc.freeze()  # what was imported stays: else looking through it delays a tick by 80 ms now and then
    scheduler_app(settings).worker_main(
        [
            "worker",
            "--beat",
            "--pool=threads",
            "--concurrency=16",  # more than the duties: when all threads are taken, news waits for a second
            f"--hostname={name}",
            f"--queues={SCHEDULER_QUEUE}",
            f"--schedule={state_dir / 'beat-schedule'}",
            "--without-gossip",
            "--without-mingle",
            "--task-events",
            f"--loglevel={settings.log_level}",
        ]
    )
