"""The one function that changes a VM's status."""

from uuid import UUID

from orchestrator.billing import intervals, terms
from orchestrator.errors import StateConflict
from orchestrator.store.database import Transaction
from orchestrator.vms import interruptions
from orchestrator.vms.events import record
from orchestrator.vms.models import Vm
from orchestrator.vms.moments import moment
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
    the event, the times, what it is charged for, the end of its term, the record of its interruption.

    A VM that is in sight again as it was keeps its times: it has not been started or stopped since.
    Raises StateConflict when the table of transitions does not allow it. Already there: nothing happens.
    """
    before = Status(vm.status)
    if before == to:
        return
    if not legal(before, to):
        raise StateConflict(f"VM {vm.id} is {before} and cannot become {to}.", facts={"status": before.value})
    at = moment(tx, vm.id)
    vm.status = to.value
    back = vm.status_before_offline == to
    vm.status_before_offline = before.value if to is Status.OFFLINE else None
    if not back and (column := TIMES.get(to)):
        setattr(vm, column, at)
    if to is not Status.RUNNING:
        vm.cpu_percent = vm.ram_percent = 0
    if to in ENDED:
        vm.password_hash = None
    tx.flush()
    intervals.follow(tx, vm, at)
    terms.follow(tx, vm, at, actor=actor)
    interruptions.follow(tx, vm, at)
    record(tx, vm.id, cause, actor=actor, operation_id=operation_id, moved=(before.value, to.value), at=at)
