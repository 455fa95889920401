"""/reservations"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from orchestrator.api.access import Accountant, Changer
from orchestrator.api.services import Db
from orchestrator.api.views.errors import CHANGE, READ, errors
from orchestrator.api.views.reservations import QuoteBody, QuoteView, ReservationView
from orchestrator.billing import handover, reservations
from orchestrator.billing.pricing import quote
from orchestrator.billing.rates import rates_of

router = APIRouter(prefix="/reservations", tags=["Reservations"])


@router.post("/calculate", responses=CHANGE, summary="What a reservation would cost; it reserves nothing")
def calculate(database: Db, _: Accountant, body: QuoteBody) -> QuoteView:
    with database.transaction() as tx:
        rates = rates_of(tx, body.gpu_type)
    return QuoteView.of(
        quote(rates, gpu_count=body.gpu_count, storage_gb=body.storage_gb, months=body.reservation_months)
    )


@router.get("", responses=READ, summary="List your reservations, the newest first")
def list_all(
    database: Db,
    caller: Accountant,
    state: reservations.State | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
) -> list[ReservationView]:
    with database.transaction() as tx:
        found = reservations.page(tx, caller.user_id, limit=limit, offset=offset, state=state)
    return [ReservationView.of(term) for term in found]


@router.get("/{reservation_id}", responses=READ | errors(404), summary="One reservation")
def get(reservation_id: UUID, database: Db, caller: Accountant) -> ReservationView:
    with database.transaction() as tx:
        return ReservationView.of(reservations.one(tx, caller.user_id, reservation_id))


@router.post(
    "/{reservation_id}/cancel",
    responses=CHANGE | errors(404, 409),
    summary="End the term for a fee; the VM goes on as on_demand",
)
def cancel(reservation_id: UUID, database: Db, caller: Changer) -> ReservationView:
    with database.transaction() as tx:
        handover.cancel(tx, caller.user_id, reservation_id)
    with database.transaction() as tx:
        return ReservationView.of(reservations.one(tx, caller.user_id, reservation_id))
