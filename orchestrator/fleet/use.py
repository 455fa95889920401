"""The present use of running VMs, as the hypervisors broadcast it."""

from sqlalchemy import column, select, update, values
from sqlalchemy.types import Float, Uuid

from orchestrator.fleet.facts import Tracked
from orchestrator.fleet.sightings import Shown, Snapshot, shown
from orchestrator.store.database import Database
from orchestrator.vms.models import Vm
from orchestrator.vms.statuses import Status

AT_ONCE = 200
"""VMs in one transaction, which locks them."""


def write(database: Database, vms: list[Tracked], snapshot: Snapshot) -> None:
    """Write `cpu_percent` and `ram_percent` of running VMs; those in other hands wait for the next look."""
    rows = [
        (vm.vm_id, round(guest.cpu * 100, 1), round(guest.memory * 100, 1))
        for vm in vms
        if vm.facts.status is Status.RUNNING
        and shown(snapshot, vm_id=vm.vm_id, vmid=vm.vmid, node=vm.node) is Shown.RUNNING
        and (guest := snapshot.guests[vm.vmid])
    ]
    for begin in range(0, len(rows), AT_ONCE):
        seen = values(column("id", Uuid), column("cpu", Float), column("ram", Float), name="seen").data(
            rows[begin : begin + AT_ONCE]
        )
        free = (
            select(Vm.id)
            .where(Vm.id.in_(select(seen.c.id)), Vm.status == Status.RUNNING.value)
            .with_for_update(key_share=True, skip_locked=True)
        )
        with database.transaction() as tx:
            tx.execute(
                update(Vm)
                .where(Vm.id == seen.c.id, Vm.id.in_(free))
                .values(cpu_percent=seen.c.cpu, ram_percent=seen.c.ram)
                .execution_options(synchronize_session=False)
            )
