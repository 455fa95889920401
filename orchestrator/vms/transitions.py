"""The one function that changes a VM's status."""

from uuid import UUID

from sqlalchemy import func, select

from orchestrator.billing import intervals
from orchestrator.errors import StateConflict
from orchestrator.store.database import Transaction
from orchestrator.vms import interruptions
from orchestrator.vms.events import record
from orchestrator.vms.models import Vm
from orchestrator.vms.statuses import ENDED, Status, legal

TIMES = {
    Status.RUNNING: "started_at",
    Status.STOPPED: "stopped_at",
    Status.INTERRUPTED: "stopped_at",
    Status.FAILED: "stopped_at",
    Status.DESTROYED: "stopped_at",
}


def move(
    tx: Transaction, vm: Vm, to: Status, *, actor: str, cause: str, operation_id: UUID | None = None
) -> None:
    """Bring `vm` (locked by this transaction) to status `to`, and at that very moment all that goes with it:
    the event, the times, what it is charged for, the record of its interruption.

    Raises StateConflict when the table of transitions does not allow it. Already there: nothing happens.
    """
    before = Status(vm.status)
    if before == to:
        return
    if not legal(before, to):
        raise StateConflict(f"VM {vm.id} is {before} and cannot become {to}.", facts={"status": before.value})
    at = tx.scalars(select(func.clock_timestamp())).one()
    vm.status = to.value
    vm.status_before_offline = before.value if to is Status.OFFLINE else None
    if column := TIMES.get(to):
        setattr(vm, column, at)
    if to is not Status.RUNNING:
        vm.cpu_percent = vm.ram_percent = 0
    if to in ENDED:
        vm.password_hash = None
    tx.flush()
    intervals.follow(tx, vm, at)
    interruptions.follow(tx, vm, at)
    record(tx, vm.id, cause, actor=actor, operation_id=operation_id, moved=(before.value, to.value), at=at)
