"""What operators may call from Flower, by VM id: retry now, explain."""

from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import func, select

from orchestrator.errors import NotFound
from orchestrator.settings import Settings
from orchestrator.store.database import Database
from orchestrator.vms import events, operations
from orchestrator.vms.explanation import explain as explanation_of
from orchestrator.vms.models import Vm

ACTOR = "operator"


def retry(database: Database, vm_id: UUID) -> str:
    """Make the VM's live operation due at once, whatever it waits for, with fresh attempts."""
    with database.transaction() as tx:
        vm = tx.scalar(select(Vm).where(Vm.id == vm_id).with_for_update(key_share=True))
        if vm is None:
            raise NotFound(f"There is no VM {vm_id}.")
        operation = operations.live(tx, vm_id)
        if operation is None:
            return f"VM {vm_id} is {vm.status}; nothing of it is under way."
        if not operations.is_unleased(tx, operation):
            return f"VM {vm_id}: {operation.step} is running now (attempt {operation.attempt})."
        operation.state = "open"
        operation.parked_for = None
        operation.attempt = 0
        operation.step_started_at = None
        operation.not_before = func.clock_timestamp()
        operation.rung_at = func.clock_timestamp()
        operation.rings = 1
        events.record(tx, vm_id, f"{operation.step} is retried now", actor=ACTOR, operation_id=operation.id)
        tx.flush()
        tx.refresh(operation)
        tx.ring(operations.ref(operation))
        return f"VM {vm_id}: {operation.kind} goes on at {operation.step}."


def explain(database: Database, vm_id: UUID, settings: Settings) -> dict[str, Any]:
    """What the VM's owner is told by GET /vms/{id}/explain, and where it is and who works on it."""
    with database.snapshot() as tx:
        vm = tx.get(Vm, vm_id)
        if vm is None:
            raise NotFound(f"There is no VM {vm_id}.")
        explanation = explanation_of(tx, vm, settings)
        operation = None if explanation.work is None else explanation.work.operation
        told: dict[str, Any] = to_jsonable_python(
            {
                "vm": vm.id,
                "vmid": vm.vmid,
                "node": vm.node_id,
                **explanation.told(),
                "operation_id": operation and operation.id,
                "worker": operation and operation.lease_owner,
            }
        )
    return told
