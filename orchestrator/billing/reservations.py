"""Reading the reservations of one account. Another account's is as one that is not there."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Case, Select, case, func, select

from orchestrator.billing import terms
from orchestrator.billing.models import Reservation
from orchestrator.errors import NotFound
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm


class State(StrEnum):
    """Where a reservation stands."""

    ACTIVE = "active"
    ENDED = "ended"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True)
class Term:
    """A reservation and its VM. `fee_now` is what cancelling it now would cost; only while active."""

    reservation: Reservation
    vm: Vm
    state: State
    fee_now: Decimal | None


def page(tx: Transaction, user_id: int, *, limit: int, offset: int, state: State | None = None) -> list[Term]:
    """The account's reservations, the newest first."""
    query = _mine(user_id).order_by(Reservation.starts_at.desc(), Reservation.id)
    if state is not None:
        query = query.where(_state() == state.value)
    return [_term(*row) for row in tx.execute(query.limit(limit).offset(offset))]


def one(tx: Transaction, user_id: int, reservation_id: UUID) -> Term:
    """One reservation of the account. Raises NotFound."""
    found = tx.execute(_mine(user_id).where(Reservation.id == reservation_id)).one_or_none()
    if found is None:
        raise NotFound(f"There is no reservation {reservation_id}.")
    return _term(*found)


def _mine(user_id: int) -> Select[Any]:
    return (
        select(Reservation, Vm, _state(), func.clock_timestamp())
        .join(Vm, Vm.reservation_id == Reservation.id)
        .where(Reservation.user_id == user_id)
    )


def _state() -> Case[str]:
    return case(
        (Reservation.ended_at.is_(None), State.ACTIVE.value),
        (Reservation.ended_because == "term", State.ENDED.value),
        else_=Reservation.ended_because,
    )


def _term(reservation: Reservation, vm: Vm, state: str, now: datetime) -> Term:
    active = state == State.ACTIVE
    return Term(reservation, vm, State(state), terms.fee(reservation, vm, now) if active else None)
