"""The present use of all running VMs of a cluster, in one call of PVE."""

from sqlalchemy import select

from orchestrator.store.database import Database
from orchestrator.vms.models import Vm
from orchestrator.vms.statuses import Status
from workers.gateways import Gateways


def observe(database: Database, gateways: Gateways, cluster_id: str) -> str:
    """Write `cpu_percent` and `ram_percent`, about 10 s old as PVE broadcasts them, and nothing else."""
    seen = gateways.of(cluster_id).vm_usage()
    running = select(Vm).where(Vm.cluster_id == cluster_id, Vm.status == Status.RUNNING)
    with database.transaction() as tx:
        vms = tx.scalars(running.with_for_update(skip_locked=True, key_share=True)).all()
        for vm in vms:
            if (usage := seen.get(vm.vmid)) is not None:
                vm.cpu_percent = round(usage.cpu * 100, 1)
                vm.ram_percent = round(usage.memory * 100, 1)
    return f"{len(vms)} running VMs"
