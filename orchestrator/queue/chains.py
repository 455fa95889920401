"""From an operation to the chain of its remaining steps, on its node's queue."""

import logging
from collections.abc import Iterable
from uuid import UUID, uuid5

from celery import Celery, chain
from celery.canvas import Signature
from kombu.exceptions import KombuError

from orchestrator.gpus.claims import CapacityFreed, CapacityWanted
from orchestrator.queue.app import (
    RECLAIM_NOW_TASK,
    RESTORE_TASK,
    SCHEDULER_QUEUE,
    STEP_TASKS,
    node_queue,
)
from orchestrator.vms.operations import OperationRef
from orchestrator.vms.pipelines import PIPELINES, Step

log = logging.getLogger(__name__)

NEWS_SECONDS = 30
"""News that is older is worth nothing: ticks have seen it."""
Announced = OperationRef | CapacityWanted | CapacityFreed


def task_id(operation_id: UUID, step: Step, attempt: int) -> str:
    """The same operation, step and attempt always make the same task id."""
    return str(uuid5(operation_id, f"{step}:{attempt}"))


def signatures(app: Celery, operation: OperationRef) -> list[Signature]:
    """Immutable signatures of the step the operation is at and of all that follow."""
    steps = PIPELINES[operation.kind].rest(operation.step)
    return [
        Signature(
            STEP_TASKS + step.value,
            kwargs={
                "vm": str(operation.vm_id),  # first: Flower shows the beginning
                "node": operation.node_id,
                "operation": str(operation.id),
            },
            immutable=True,
            app=app,
            options={
                "queue": node_queue(operation.node_id),
                "task_id": task_id(operation.id, step, _attempt(operation, step)),
            },
        )
        for step in steps
    ]


def _attempt(operation: OperationRef, step: Step) -> int:
    return operation.attempt if step is operation.step else 1


class Bell:
    """Sends chains. A broker that is away costs a log line: the row is committed, the wake duty rings."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def ring(self, announced: Iterable[Announced]) -> None:
        """Send chains to the nodes, and news of GPUs to the scheduler; never raises for a broker that is
        away."""
        for what in announced:
            try:
                self._send(what)
            except (KombuError, OSError) as error:
                log.warning(
                    "%s was not announced (%s); the scheduler will see it", what, type(error).__name__
                )
                return

    def _send(self, what: Announced) -> None:
        match what:
            case CapacityWanted(node_id):
                self._tell_scheduler(RECLAIM_NOW_TASK, {"node": node_id})
            case CapacityFreed():
                self._tell_scheduler(RESTORE_TASK, {})
            case operation:
                chain(*signatures(self._app, operation), app=self._app).apply_async()

    def _tell_scheduler(self, task: str, arguments: dict[str, str]) -> None:
        self._app.send_task(task, kwargs=arguments, queue=SCHEDULER_QUEUE, expires=NEWS_SECONDS)
