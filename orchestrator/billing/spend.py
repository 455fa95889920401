"""What an account's VMs cost now: its open intervals."""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import ColumnElement, case, func, select

from orchestrator.billing.models import UsageInterval
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm


@dataclass(frozen=True)
class VmSpend:
    """A VM that is charged for, and its present costs per hour."""

    vm: Vm
    gpu_hourly: Decimal
    storage_hourly: Decimal

    @property
    def hourly(self) -> Decimal:
        return self.gpu_hourly + self.storage_hourly


def current(tx: Transaction, user_id: int) -> list[VmSpend]:
    """All VMs of the account that cost something now, the oldest first."""

    open_ones = (
        select(UsageInterval.vm_id, _rate("gpu").label("gpu"), _rate("storage").label("storage"))
        .where(UsageInterval.user_id == user_id, UsageInterval.ended_at.is_(None))
        .group_by(UsageInterval.vm_id)
        .subquery()
    )
    rows = tx.execute(
        select(Vm, open_ones.c.gpu, open_ones.c.storage)
        .join(open_ones, open_ones.c.vm_id == Vm.id)
        .order_by(Vm.created_at, Vm.id)
    )
    return [VmSpend(*row) for row in rows]


def _rate(resource: str) -> ColumnElement[Decimal]:
    return func.sum(case((UsageInterval.resource == resource, UsageInterval.hourly_rate), else_=0))
