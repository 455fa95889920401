"""What was used in a time, and what it costs: intervals, cut to that time, one by one and by VM."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Numeric, Row, Subquery, cast, extract, func, select

from orchestrator.billing.models import UsageInterval
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """From `start` until just before `end`, which is not in the future."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class VmUse:
    """What one VM used: `hours` in which its GPUs were charged, whatever their number; `cost` of all."""

    vm_id: UUID
    vmid: int
    gpu_type: str
    hours: Decimal
    cost: Decimal


def present(tx: Transaction) -> datetime:
    """Now, by the database's clock."""
    now: datetime = tx.scalars(select(func.clock_timestamp())).one()
    return now


def days(now: datetime, first: date | None, last: date | None) -> Period:
    """Whole days in UTC, both included, up to `now`; by default the month so far."""
    today = now.astimezone(UTC).date()
    start = first or today.replace(day=1)
    end = _midnight(min(last or today, today)) + DAY
    return Period(_midnight(start), min(end, now))


def by_vm(tx: Transaction, user_id: int, period: Period, vm_id: UUID | None = None) -> list[VmUse]:
    """The account's VMs that were charged for in the period, the most expensive first."""
    used = _used(user_id, period, vm_id)
    gpu_seconds = func.sum(used.c.seconds).filter(used.c.resource == "gpu")
    rows = tx.execute(
        select(
            Vm.id,
            Vm.vmid,
            Vm.gpu_type,
            func.coalesce(gpu_seconds, 0) / 3600,
            func.sum(used.c.cost).label("cost"),
        )
        .join(used, used.c.vm_id == Vm.id)
        .group_by(Vm.id)
        .order_by(func.sum(used.c.cost).desc(), Vm.id)
    )
    return [VmUse(*row) for row in rows]


def total(uses: Sequence[VmUse]) -> Decimal:
    """What all of it costs."""
    return sum((use.cost for use in uses), Decimal(0))


def lines(
    tx: Transaction, user_id: int, period: Period, vm_id: UUID | None = None, *, limit: int, offset: int
) -> Sequence[Row[Any]]:
    """The intervals themselves, the newest first: id, vm_id, resource, quantity, hourly_rate, and within the
    period starts, ends, seconds and cost; `open` while it lasts."""
    used = _used(user_id, period, vm_id)
    return tx.execute(
        select(used).order_by(used.c.starts.desc(), used.c.id.desc()).limit(limit).offset(offset)
    ).all()


def _used(user_id: int, period: Period, vm_id: UUID | None) -> Subquery:
    starts = func.greatest(UsageInterval.started_at, period.start)
    ends = func.least(UsageInterval.ended_at, period.end)  # of an open one: the period's
    seconds = cast(extract("epoch", ends - starts), Numeric)
    query = select(
        UsageInterval.id,
        UsageInterval.vm_id,
        UsageInterval.resource,
        UsageInterval.quantity,
        UsageInterval.hourly_rate,
        UsageInterval.ended_at.is_(None).label("open"),
        starts.label("starts"),
        ends.label("ends"),
        seconds.label("seconds"),
        func.round(seconds * UsageInterval.hourly_rate / 3600, 6).label("cost"),
    ).where(UsageInterval.user_id == user_id, UsageInterval.started_at < period.end, ends > starts)
    if vm_id is not None:
        query = query.where(UsageInterval.vm_id == vm_id)
    return query.subquery()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time_of_day(), UTC)
