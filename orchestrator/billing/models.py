"""Reservations, and intervals of use: the lines of a bill."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, column, func, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from orchestrator.store.base import Base, Created, Moment, Money, SerialKey, UuidKey, one_of

RESOURCES = ("gpu", "storage")
ENDINGS = ("term", "cancelled", "failed")
"""Why a reservation has ended: in time; by its owner; its VM failed, or was removed by somebody else."""


class Reservation(Base):
    """A rental term of 1, 3 or 6 months over GPUs of a node, with its price as agreed."""

    __tablename__ = "reservations"
    __table_args__ = (
        CheckConstraint("months IN (1, 3, 6)", name="term_is_offered"),
        CheckConstraint("ends_at > starts_at", name="ends_after_its_start"),
        one_of("ended_because", ENDINGS),
        CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="ending_says_why"),
        CheckConstraint(
            "(ended_because IS NOT DISTINCT FROM 'cancelled') = (cancellation_fee IS NOT NULL)",
            name="cancelling_has_a_fee",
        ),
        Index("ix_reservations_running", "ends_at", postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    node_id: Mapped[str] = mapped_column(ForeignKey("nodes.id"))
    gpu_type: Mapped[str] = mapped_column(ForeignKey("gpu_types.id"))
    gpu_count: Mapped[int]
    months: Mapped[int]
    discount_percent: Mapped[Decimal] = mapped_column(Money)
    deposit: Mapped[Decimal] = mapped_column(Money)
    gpu_hourly_rate: Mapped[Decimal] = mapped_column(Money)
    """Of all its GPUs, for the whole term."""
    cancellation_percent: Mapped[Decimal] = mapped_column(Money)
    starts_at: Mapped[Created]
    ends_at: Mapped[Moment]
    told_at: Mapped[Moment | None]
    """When its owner was told that the end is near."""
    ended_at: Mapped[Moment | None]
    ended_because: Mapped[str | None]
    cancellation_fee: Mapped[Decimal | None] = mapped_column(Money)


class UsageInterval(Base):
    """A time during which a VM was charged for its GPUs or its storage at one rate; open while it lasts.

    `quantity` is in GPUs or GB, `hourly_rate` of the whole quantity, `amount` in the catalog's currency.
    Intervals of a VM and resource meet, and never overlap.
    """

    __tablename__ = "usage_intervals"
    __table_args__ = (
        one_of("resource", RESOURCES),
        CheckConstraint("quantity > 0 AND hourly_rate >= 0", name="something_is_used"),
        CheckConstraint("ended_at >= started_at", name="ends_after_its_start"),
        Index(
            "uq_usage_intervals_one_open_a_resource",
            "vm_id",
            "resource",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        ExcludeConstraint(
            (column("vm_id"), "="),
            (column("resource"), "="),
            (func.tstzrange(column("started_at"), column("ended_at")), "&&"),
            name="ex_usage_intervals_nothing_is_charged_twice",
        ),
        Index("ix_usage_intervals_user_id_started_at", "user_id", "started_at"),
    )

    id: Mapped[SerialKey]
    vm_id: Mapped[UUID] = mapped_column(ForeignKey("vms.id"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    resource: Mapped[str]
    quantity: Mapped[int]
    hourly_rate: Mapped[Decimal] = mapped_column(Money)
    started_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    amount: Mapped[Decimal | None] = mapped_column(
        Money,
        Computed(
            "round(extract(epoch FROM (ended_at - started_at)) * hourly_rate / 3600, 6)", persisted=True
        ),
    )
