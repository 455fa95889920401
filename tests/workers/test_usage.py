"""The use of VMs is read, and only that is written."""

from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import text

from orchestrator.vms.models import Vm
from tests.seed import Seed
from workers.proxmox import Usage
from workers.usage import observe


def test_only_running_vms_get_what_pve_tells_of_them(seed: Seed) -> None:
    running, starting, untold = seed.vm(), seed.vm(), seed.vm()
    with seed.database.transaction() as tx:
        tx.execute(text("SET LOCAL session_replication_role = replica"))
        tx.execute(text(f"UPDATE vms SET status = 'running' WHERE id IN ('{running.id}', '{untold.id}')"))
    use = Usage("vm01", "running", 0.25, 0.5, template=False, lock=None, tags=())
    gateway = SimpleNamespace(vm_usage=lambda: {running.vmid: use, starting.vmid: use})
    gateways = cast(Any, SimpleNamespace(of=lambda _: gateway))
    assert observe(seed.database, gateways, "c1") == "2 running VMs"
    with seed.database.transaction() as tx:
        told = [tx.get_one(Vm, vm.id) for vm in (running, starting, untold)]
        assert [(vm.cpu_percent, vm.ram_percent) for vm in told] == [(25, 50), (0, 0), (0, 0)]
