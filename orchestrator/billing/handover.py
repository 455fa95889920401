"""A reservation ends before its VM does: the VM goes on as on_demand."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select

from orchestrator.billing import intervals, terms
from orchestrator.billing.models import Reservation
from orchestrator.billing.pricing import on_demand
from orchestrator.catalog.models import GpuType
from orchestrator.errors import NotFound, StateConflict
from orchestrator.store.database import Transaction
from orchestrator.vms import events, operations
from orchestrator.vms.models import Event, Vm
from orchestrator.vms.moments import moment, utc
from orchestrator.vms.pipelines import Kind
from orchestrator.vms.statuses import Status


def cancel(tx: Transaction, user_id: int, reservation_id: UUID) -> None:
    """The owner ends a term before its time: the fee is recorded, and the VM goes on as on_demand at once.

    Once more changes nothing. Raises NotFound for a reservation that is not there or not the user's,
    StateConflict for one that has ended otherwise.
    """
    mine = select(Vm).where(Vm.reservation_id == reservation_id, Vm.user_id == user_id)
    vm = tx.scalar(mine.with_for_update(key_share=True))
    if vm is None:
        raise NotFound(f"There is no reservation {reservation_id}.")
    reservation = tx.get_one(Reservation, reservation_id)
    if reservation.ended_because == "cancelled":
        return
    if reservation.ended_at is not None:
        raise StateConflict(
            f"Reservation {reservation_id} ended at {utc(reservation.ended_at)} and cannot be cancelled.",
            facts={"ended_because": reservation.ended_because},
        )
    at, actor = moment(tx, vm.id), f"user:{user_id}"
    terms.cancel(reservation, vm, at)
    text = f"the reservation was cancelled for a fee of {reservation.cancellation_fee:.2f}"
    events.record(tx, vm.id, f"{text}; {_what_follows(_rate(tx, vm))}", actor=actor, at=at)
    _go_on(tx, vm, at)
    give_up_cards(tx, vm, actor=actor)


def end(tx: Transaction, vm: Vm, reservation: Reservation) -> None:
    """The term is over: the VM, which the caller has locked, goes on as on_demand.

    It does so from the end of the term on, however late that is noticed; where the VM has changed its status
    since, from that change on.
    """
    changed = select(func.max(Event.at)).where(Event.vm_id == vm.id, Event.kind == "status")
    last = tx.scalar(changed)
    at = reservation.ends_at if last is None else max(reservation.ends_at, last)
    reservation.ended_at, reservation.ended_because = at, "term"
    text = f"the reservation has ended with its term at {utc(at)}"
    events.record(tx, vm.id, f"{text}; {_what_follows(_rate(tx, vm))}", actor=events.INNKEEPER)
    _go_on(tx, vm, at)
    give_up_cards(tx, vm, actor=events.INNKEEPER)


def tell(tx: Transaction, vm: Vm, reservation: Reservation) -> None:
    """Tell the owner that the term ends soon, and what follows then."""
    reservation.told_at = moment(tx, vm.id)
    text = f"the reservation ends at {utc(reservation.ends_at)}; then {_what_follows(_rate(tx, vm))}"
    events.record(tx, vm.id, text, actor=events.INNKEEPER, at=reservation.told_at)


def give_up_cards(tx: Transaction, vm: Vm, *, actor: str) -> None:
    """A VM that is stopped holds no GPUs without a term: a stop sees it off once more, then releases them.

    What is under way with the VM comes first; the duty asks again.
    """
    if vm.status == Status.STOPPED and operations.live(tx, vm.id) is None:
        operations.begin(tx, vm, Kind.STOP, actor=actor)


def _go_on(tx: Transaction, vm: Vm, at: datetime) -> None:
    vm.gpu_hourly_rate = _rate(tx, vm)
    vm.rental_type, vm.reservation_months = "on_demand", None
    tx.flush()
    intervals.follow(tx, vm, at)


def _rate(tx: Transaction, vm: Vm) -> Decimal:
    """Of its GPUs on demand, at present."""
    return on_demand(tx.get_one(GpuType, vm.gpu_type).hourly_rate, vm.gpu_count)


def _what_follows(rate: Decimal) -> str:
    return f"its GPUs go on as on_demand at {rate.normalize():f} an hour, and are given up by a stop"
