"""Doubts: how often and how long in a row the listing showed a VM other than the store has it."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import case, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from orchestrator.fleet.facts import Tracked
from orchestrator.fleet.models import Doubt
from orchestrator.fleet.reconcile import looks_needed
from orchestrator.fleet.sightings import Shown
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Event, Vm
from orchestrator.vms.statuses import Status


def of_cluster(tx: Transaction, cluster_id: str) -> set[UUID]:
    """The VMs that are doubted."""
    return set(
        tx.scalars(select(Doubt.vm_id).join(Vm, Vm.id == Doubt.vm_id).where(Vm.cluster_id == cluster_id))
    )


def count(tx: Transaction, vm: Tracked, shown: Shown, *, broadcast_seconds: float) -> bool:
    """Count a look, unless what it shows may be older than the VM's last change.

    Whether enough looks showed the same, for longer than one broadcast may be old.
    """
    needed = looks_needed(vm.facts)
    ago = func.clock_timestamp() - timedelta(seconds=broadcast_seconds)
    if vm.facts.status is not Status.OFFLINE:
        last_change = select(func.max(Event.at)).where(Event.vm_id == vm.vm_id, Event.kind == "status")
        if not tx.scalar(select(last_change.scalar_subquery() <= ago)):
            return False
    same = Doubt.shown == shown.value
    looks, since, then = tx.execute(
        insert(Doubt)
        .values(vm_id=vm.vm_id, shown=shown.value, since=func.clock_timestamp())
        .on_conflict_do_update(
            index_elements=[Doubt.vm_id],
            set_={
                "shown": shown.value,
                "looks": case((same, Doubt.looks + 1), else_=1),
                "since": case((same, Doubt.since), else_=func.clock_timestamp()),
            },
        )
        .returning(Doubt.looks, Doubt.since, ago)
    ).one()
    return bool(looks >= needed and (needed == 1 or since <= then))


def forget(tx: Transaction, vm_id: UUID) -> None:
    """There is no doubt any more."""
    tx.execute(delete(Doubt).where(Doubt.vm_id == vm_id))
