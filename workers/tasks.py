"""The Celery tasks of the steps: each message becomes one run of the runner."""

from typing import Any
from uuid import UUID

from celery import Celery, Task
from celery.exceptions import Ignore, Reject

from orchestrator.queue.app import STEP_TASKS
from orchestrator.vms.pipelines import Step
from workers.runner import Next, Runner

LONGEST_COUNTDOWN = 10.0
"""Seconds a message may wait in a worker's memory; longer waits are the operation's `not_before` alone."""
LATE = 0.05
"""So that a retry does not come before its time."""


class StepFailed(Exception):
    """The operation was given up; shown as the failure of its task."""


def register(app: Celery, runner: Runner) -> None:
    """Make one task for each step."""
    for step in Step:
        app.task(name=STEP_TASKS + step.value, bind=True, max_retries=None)(_body(runner, step))


def _body(runner: Runner, step: Step) -> Any:
    def run(self: Task, operation: str, vm: str, node: str) -> str:
        # `vm` and `node` are for whoever reads the queue; the operation's row is what counts.
        verdict = runner.run(UUID(operation), step)
        if verdict.next is Next.REQUEUE:
            raise Reject("this worker is shutting down", requeue=True)
        if verdict.failure is not None:
            raise StepFailed(verdict.failure)
        if verdict.retry_seconds is not None and verdict.retry_seconds <= LONGEST_COUNTDOWN:
            raise self.retry(countdown=verdict.retry_seconds + LATE)
        if verdict.next is Next.STOP:
            raise Ignore
        return "done"

    run.__name__ = step.value
    return run
