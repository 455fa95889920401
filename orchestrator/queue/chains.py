"""From an operation to the chain of its remaining steps, on its node's queue."""

import logging
from collections.abc import Iterable
from uuid import UUID, uuid5

from celery import Celery, chain
from celery.canvas import Signature
from kombu.exceptions import KombuError

from orchestrator.queue.app import STEP_TASKS, node_queue
from orchestrator.vms.operations import OperationRef
from orchestrator.vms.pipelines import PIPELINES, Step

log = logging.getLogger(__name__)


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

    def ring(self, operations: Iterable[OperationRef]) -> None:
        """Send the chain of each operation; never raises for a broker that is away."""
        for operation in operations:
            try:
                chain(*signatures(self._app, operation), app=self._app).apply_async()
            except (KombuError, OSError) as error:
                log.warning(
                    "operation %s of VM %s was not announced (%s); the wake duty will do it",
                    operation.id,
                    operation.vm_id,
                    type(error).__name__,
                )
                return
