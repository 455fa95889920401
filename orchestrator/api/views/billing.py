"""What VMs cost now, and what was used."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Row

from orchestrator.api.views.base import Utc, View
from orchestrator.billing.pricing import HOURS_PER_MONTH
from orchestrator.billing.spend import VmSpend
from orchestrator.billing.usage import Period, VmUse, total
from orchestrator.vms.statuses import Status

NETWORK = "always 0: network traffic is neither counted nor charged"


class VmSpendView(View):
    """A VM that costs something now."""

    vm_id: UUID
    vmid: int
    gpu_type: str
    gpu_count: int
    storage_gb: int
    status: Status
    gpu_cost_per_hour: float = Field(description="0 while its GPUs are not charged")
    storage_cost_per_hour: float
    network_cost_per_hour: float = Field(description=NETWORK)
    total_cost_per_hour: float

    @classmethod
    def of(cls, spend: VmSpend) -> "VmSpendView":
        vm = spend.vm
        return cls(
            vm_id=vm.id,
            vmid=vm.vmid,
            gpu_type=vm.gpu_type,
            gpu_count=vm.gpu_count,
            storage_gb=vm.storage_gb,
            status=Status(vm.status),
            gpu_cost_per_hour=float(spend.gpu_hourly),
            storage_cost_per_hour=float(spend.storage_hourly),
            network_cost_per_hour=0,
            total_cost_per_hour=float(spend.hourly),
        )


class SpendView(View):
    """What all VMs of the account cost as they are now. A month has 30 days."""

    total_per_hour: float
    total_per_day: float
    total_per_month: float
    hourly_rate: float = Field(description="as total_per_hour")
    running_vms: int
    vms: list[VmSpendView] = Field(description="also stopped ones, whose storage is charged")
    last_updated: Utc
    currency: str
    month_to_date: float = Field(description="used since the first of the month, UTC")

    @classmethod
    def of(
        cls, spends: Sequence[VmSpend], *, now: datetime, currency: str, month_to_date: Decimal
    ) -> "SpendView":
        hourly = sum((spend.hourly for spend in spends), Decimal(0))
        return cls(
            total_per_hour=float(hourly),
            total_per_day=float(hourly * 24),
            total_per_month=float(hourly * HOURS_PER_MONTH),
            hourly_rate=float(hourly),
            running_vms=sum(spend.vm.status == Status.RUNNING for spend in spends),
            vms=[VmSpendView.of(spend) for spend in spends],
            last_updated=now,
            currency=currency,
            month_to_date=float(month_to_date),
        )


class UsageQuery(BaseModel):
    """Which part of the usage. Unknown parameters are refused, so that none is taken for another time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: date | None = Field(None, alias="from", description="first day, UTC; default: of this month")
    last: date | None = Field(None, alias="to", description="last day, UTC; default: today")
    vm_id: UUID | None = Field(None, description="only this VM")
    limit: int = Field(50, ge=1, le=1000, description="of `logs`; the totals are of all")
    offset: int = Field(0, ge=0, le=2**31 - 1)

    @model_validator(mode="after")
    def _is_a_period(self) -> "UsageQuery":
        if self.first is not None and self.last is not None and self.first > self.last:
            raise ValueError("`from` must not be after `to`")
        return self


class UsageLine(View):
    """GPUs or storage of one VM at one rate, for as long as it lasted within the period."""

    id: str
    vm_id: UUID
    timestamp: Utc = Field(description="when it began, or the period did")
    resource: Literal["gpu", "storage"]
    seconds: float
    open: bool = Field(description="it goes on: counted until now")
    hourly_rate: float = Field(description="of the whole quantity")
    gpu_seconds: float = Field(description="seconds × GPUs")
    storage_gb: int
    network_bytes: int = Field(description=NETWORK)
    gpu_cost: float
    storage_cost: float
    network_cost: float = Field(description=NETWORK)
    total_cost: float

    @classmethod
    def of(cls, line: Row[Any]) -> "UsageLine":
        gpu = line.resource == "gpu"
        cost = float(line.cost)
        return cls(
            id=str(line.id),
            vm_id=line.vm_id,
            timestamp=line.starts,
            resource=line.resource,
            seconds=float(line.seconds),
            open=line.open,
            hourly_rate=float(line.hourly_rate),
            gpu_seconds=float(line.seconds * line.quantity) if gpu else 0,
            storage_gb=0 if gpu else line.quantity,
            network_bytes=0,
            gpu_cost=cost if gpu else 0,
            storage_cost=0 if gpu else cost,
            network_cost=0,
            total_cost=cost,
        )


class VmUseView(View):
    """What one VM used in the period."""

    vm_id: UUID
    vmid: int
    gpu_model: str
    hours: float = Field(description="in which its GPUs were charged")
    cost: float

    @classmethod
    def of(cls, use: VmUse) -> "VmUseView":
        return cls(
            vm_id=use.vm_id,
            vmid=use.vmid,
            gpu_model=use.gpu_type,
            hours=_hours(use.hours),
            cost=float(use.cost),
        )


class UsageView(View):
    """What was used in a period, and what it costs. Deposits and fees are not in it: GET /reservations."""

    logs: list[UsageLine] = Field(description="the newest first")
    total_cost: float
    total_hours: float = Field(description="of all VMs together")
    period_start: Utc
    period_end: Utc = Field(description="until just before it; never in the future")
    vm_breakdown: list[VmUseView] = Field(description="the most expensive first")
    currency: str

    @classmethod
    def of(
        cls, period: Period, lines: Sequence[Row[Any]], uses: Sequence[VmUse], *, currency: str
    ) -> "UsageView":
        return cls(
            logs=[UsageLine.of(line) for line in lines],
            total_cost=float(total(uses)),
            total_hours=_hours(sum((use.hours for use in uses), Decimal(0))),
            period_start=period.start,
            period_end=period.end,
            vm_breakdown=[VmUseView.of(use) for use in uses],
            currency=currency,
        )


def _hours(hours: Decimal) -> float:
    return float(round(hours, 6))
