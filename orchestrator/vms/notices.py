"""Giving notice to a VM that it will be interrupted, and calling it off."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select

from orchestrator.store.database import Transaction
from orchestrator.vms import events, interruptions, operations
from orchestrator.vms.models import Interruption, Operation, Vm
from orchestrator.vms.moments import utc
from orchestrator.vms.operations import CLOCK
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import Status

BECAUSE = {
    "reclaim": "its GPUs are needed by a request that may displace it",
    "drain": "its node is being drained",
}


CALLED_OFF_BECAUSE = {
    "reclaim": "its GPUs are not needed any more",
    "drain": "its node is in service again",
}


def give(
    tx: Transaction, vm: Vm, *, cause: str, seconds: float, displaced_by: UUID | None = None
) -> datetime | None:
    """Announce that `vm` (locked) will be interrupted in `seconds`; the end of the notice.

    None: it does not run undisturbed, or has notice already; nothing is done.
    """
    if vm.status != Status.RUNNING or operations.live(tx, vm.id) is not None:
        return None
    if interruptions.open_one(tx, vm.id) is not None:
        return None
    until: datetime = tx.scalars(select(CLOCK + timedelta(seconds=seconds))).one()
    tx.add(
        Interruption(
            vm_id=vm.id, node_id=vm.node_id, cause=cause, displaced_by=displaced_by, notice_until=until
        )
    )
    operation = operations.begin(tx, vm, Kind.INTERRUPT, actor=events.INNKEEPER)
    events.record(
        tx,
        vm.id,
        f"will be interrupted at {utc(until)}: {BECAUSE[cause]}; its disk is kept",
        actor=events.INNKEEPER,
        operation_id=operation.id,
    )
    return until


def hand_over(tx: Transaction, vm: Vm, waiter: UUID) -> bool:
    """Let the notice of `vm` (locked) go on for another waiter, while it could be called off; whether so."""
    found = _can_be_called_off(tx, vm)
    if found is None:
        return False
    operation, record = found
    record.displaced_by = waiter
    text = "who was to have its GPUs waits no more; its notice goes on for another request"
    events.record(tx, vm.id, text, actor=events.INNKEEPER, operation_id=operation.id)
    return True


def call_off(tx: Transaction, vm: Vm) -> bool:
    """Withdraw the notice of `vm` (locked) while it runs and nobody works on it; whether that was so."""
    found = _can_be_called_off(tx, vm)
    if found is None:
        return False
    operation, record = found
    why = f"{CALLED_OFF_BECAUSE[record.cause]}, and it runs on"
    operations.cancel(tx, operation, actor=events.INNKEEPER, why=why)
    record.state, record.ended_at = "cancelled", func.clock_timestamp()
    tx.flush()
    if record.displaced_by is not None:
        text = f"a VM with {vm.gpu_count} GPUs does not have to make room any more"
        events.record(tx, record.displaced_by, text, actor=events.INNKEEPER)
    return True


def _can_be_called_off(tx: Transaction, vm: Vm) -> tuple[Operation, Interruption] | None:
    """Its notice runs, and nobody works on it or has overtaken it."""
    operation, record = operations.live(tx, vm.id), interruptions.open_one(tx, vm.id)
    if operation is None or record is None or operation.cancel_requested_by is not None:
        return None
    at_announce = operation.kind == Kind.INTERRUPT and operation.step == Step.ANNOUNCE
    runs = tx.scalar(select(Interruption.notice_until > CLOCK).where(Interruption.id == record.id))
    if not (at_announce and record.state == "announced" and runs and operations.is_unleased(tx, operation)):
        return None
    return operation, record
