"""The term of a reservation, and how it ends. Whoever changes a reservation has locked its VM."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import select

from orchestrator.billing.models import Reservation
from orchestrator.billing.pricing import cancellation_fee
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm
from orchestrator.vms.statuses import ENDED, Status


def running(tx: Transaction, vm: Vm) -> Reservation | None:
    """The reservation of `vm` whose term still runs."""
    if vm.reservation_id is None:
        return None
    mine = select(Reservation).where(Reservation.id == vm.reservation_id, Reservation.ended_at.is_(None))
    return tx.scalar(mine)


def fee(reservation: Reservation, vm: Vm, at: datetime) -> Decimal:
    """What cancelling at `at` costs: a share of what the GPUs would have cost until the term's end.

    Nothing while the VM has not run yet. Storage has no term, and no share in it.
    """
    if vm.started_at is None:
        return Decimal(0)
    remaining = reservation.ends_at - at
    return cancellation_fee(reservation.gpu_hourly_rate, reservation.cancellation_percent, remaining)


def cancel(reservation: Reservation, vm: Vm, at: datetime) -> None:
    """Its owner ends the term before its time, and owes the fee."""
    reservation.ended_at, reservation.ended_because = at, "cancelled"
    reservation.cancellation_fee = fee(reservation, vm, at)


def follow(tx: Transaction, vm: Vm, at: datetime, *, actor: str) -> None:
    """End the term of a VM that has ended: its owner cancelled it by destroying the VM; a create that failed,
    or whoever else removed the VM, costs no fee."""
    if vm.status not in ENDED or (reservation := running(tx, vm)) is None:
        return
    if vm.status == Status.DESTROYED and actor == f"user:{vm.user_id}":
        cancel(reservation, vm, at)
    else:
        reservation.ended_at, reservation.ended_because = at, "failed"
    tx.flush()
