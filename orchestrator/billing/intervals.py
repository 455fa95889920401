"""What a VM is charged for, opened and closed by its own transitions."""

from datetime import datetime

from sqlalchemy import insert, select, update

from orchestrator.billing.charges import Charge, Rented, charges
from orchestrator.billing.models import UsageInterval
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm
from orchestrator.vms.statuses import Status


def follow(tx: Transaction, vm: Vm, at: datetime) -> None:
    """Open and close the intervals of use that go with the VM's status and rates, at `at`.

    The caller has locked the VM, and changes it in this very transaction, so that no crash can come between a
    change and its price. What goes on unchanged stays open.
    """
    rented = Rented(
        vm.rental_type,
        gpu=Charge(vm.gpu_count, vm.gpu_hourly_rate),
        storage=Charge(vm.storage_gb, vm.storage_hourly_rate),
    )
    due = charges(rented, Status(vm.status), has_run=vm.started_at is not None)
    running = _running(tx, vm)
    ended = [resource for resource, charge in running.items() if due.get(resource) != charge]
    begun = [resource for resource, charge in due.items() if running.get(resource) != charge]
    if ended:
        tx.execute(
            update(UsageInterval)
            .where(
                UsageInterval.vm_id == vm.id,
                UsageInterval.ended_at.is_(None),
                UsageInterval.resource.in_(ended),
            )
            .values(ended_at=at)
        )
    for resource in begun:
        tx.execute(
            insert(UsageInterval).values(
                vm_id=vm.id,
                user_id=vm.user_id,
                resource=resource,
                quantity=due[resource].quantity,
                hourly_rate=due[resource].hourly_rate,
                started_at=at,
            )
        )


def _running(tx: Transaction, vm: Vm) -> dict[str, Charge]:
    rows = tx.execute(
        select(UsageInterval.resource, UsageInterval.quantity, UsageInterval.hourly_rate).where(
            UsageInterval.vm_id == vm.id, UsageInterval.ended_at.is_(None)
        )
    )
    return {row.resource: Charge(row.quantity, row.hourly_rate) for row in rows}
