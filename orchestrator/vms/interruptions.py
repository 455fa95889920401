"""The record of interruptions, kept by the VM's own transitions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from orchestrator.store.database import Transaction
from orchestrator.vms.models import Interruption, Vm
from orchestrator.vms.statuses import ENDED, Status

OPEN = ("announced", "interrupted")


def open_one(tx: Transaction, vm_id: UUID) -> Interruption | None:
    """The interruption that a VM is in, from its announcement until it is back or given up."""
    return tx.scalar(select(Interruption).where(Interruption.vm_id == vm_id, Interruption.state.in_(OPEN)))


def follow(tx: Transaction, vm: Vm, at: datetime) -> None:
    """Bring the open record, if there is one, to what the VM's new status means."""
    record = open_one(tx, vm.id)
    if record is None:
        return
    status = Status(vm.status)
    if status is Status.INTERRUPTED and record.state == "announced":
        record.state, record.interrupted_at = "interrupted", at
    elif status is Status.STOPPING and record.state == "interrupted":  # a restore was given up
        record.tries, record.tried_at = record.tries + 1, at
    elif status is Status.RUNNING and record.state == "interrupted":
        record.state, record.ended_at = "restored", at
    elif status is Status.STOPPED or status in ENDED:
        record.state, record.ended_at = "cancelled", at
    tx.flush()
