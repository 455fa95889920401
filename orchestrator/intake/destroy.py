"""Asking for the end of a VM: accepted in every status, merged with what runs."""

from uuid import UUID

from sqlalchemy import select

from orchestrator.errors import NotFound
from orchestrator.store.database import Database
from orchestrator.vms import operations
from orchestrator.vms.models import Vm
from orchestrator.vms.pipelines import Kind
from orchestrator.vms.statuses import Status


def request_destroy(database: Database, user_id: int, vm_id: UUID) -> None:
    """Begin the destroy pipeline, or let it overtake what runs at that operation's next safe point.

    Asking twice changes nothing. Raises NotFound for a VM that is not there or not the user's.
    """
    actor = f"user:{user_id}"
    with database.transaction() as tx:
        vm = tx.scalar(
            select(Vm).where(Vm.id == vm_id, Vm.user_id == user_id).with_for_update(key_share=True)
        )
        if vm is None:
            raise NotFound(f"There is no VM {vm_id}.")
        if vm.status == Status.DESTROYED:
            return
        running = operations.live(tx, vm_id)
        if running is None:
            operations.begin(tx, vm, Kind.DESTROY, actor=actor)
        elif running.kind != Kind.DESTROY:
            operations.overtake(tx, running, vm, Kind.DESTROY, actor=actor)
