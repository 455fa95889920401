"""Reservations: what one would cost, and those of the account."""

from uuid import UUID

from pydantic import Field

from orchestrator.api.views.base import Body, Utc, View
from orchestrator.billing.pricing import Quote
from orchestrator.billing.reservations import State, Term
from orchestrator.intake.request import MAX_STORAGE_GB, GpuCount, Months, Name


class QuoteBody(Body):
    """What would be reserved."""

    gpu_type: Name = Field(description="GPU type of the catalog, for example 5090")
    gpu_count: GpuCount
    storage_gb: int = Field(ge=50, le=MAX_STORAGE_GB)
    reservation_months: Months


class QuoteView(View):
    """What a reservation would cost. A month of a term has 30 days."""

    discount_percent: float = Field(description="of the GPUs' on-demand rate")
    deposit_required: float = Field(
        description="the share of the whole term's price that is due at the start"
    )
    monthly_cost: float = Field(description="GPUs and storage, for 30 days")
    hourly_rate_after_discount: float = Field(description="GPUs and storage")
    cancellation_fee_25_percent: float = Field(
        description="for cancelling at the start; it falls with the time that remains. "
        "The percentage is GET /pricing's cancellation_percent, whatever this name says"
    )

    @classmethod
    def of(cls, quote: Quote) -> "QuoteView":
        return cls(
            discount_percent=float(quote.discount_percent),
            deposit_required=float(quote.deposit),
            monthly_cost=float(quote.monthly_cost),
            hourly_rate_after_discount=float(quote.hourly_rate),
            cancellation_fee_25_percent=float(quote.cancellation_fee),
        )


class ReservationView(View):
    """A rental term."""

    id: UUID
    state: State = Field(
        description="ended: with its term; cancelled: by its owner; failed: its VM failed or was removed by "
        "somebody else"
    )
    vm_id: UUID
    node: str
    gpu_type: str
    gpu_count: int
    reservation_months: Months
    discount_percent: float
    gpu_hourly_rate: float = Field(description="of all its GPUs, as agreed for the term")
    deposit: float
    starts_at: Utc
    ends_at: Utc
    told_at: Utc | None = Field(description="when its owner was told that the end is near")
    ended_at: Utc | None
    cancellation_fee: float | None = Field(description="what was recorded; null unless it was cancelled")
    cancellation_fee_now: float | None = Field(description="for cancelling now; null once it has ended")

    @classmethod
    def of(cls, term: Term) -> "ReservationView":
        row = term.reservation
        return cls(
            id=row.id,
            state=term.state,
            vm_id=term.vm.id,
            node=row.node_id,
            gpu_type=row.gpu_type,
            gpu_count=row.gpu_count,
            reservation_months=row.months,
            discount_percent=float(row.discount_percent),
            gpu_hourly_rate=float(row.gpu_hourly_rate),
            deposit=float(row.deposit),
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            told_at=row.told_at,
            ended_at=row.ended_at,
            cancellation_fee=None if row.cancellation_fee is None else float(row.cancellation_fee),
            cancellation_fee_now=None if term.fee_now is None else float(term.fee_now),
        )
