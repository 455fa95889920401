"""A bench and its watch: looks that need no patience, and what the simulator broadcasts now."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import select

from orchestrator.catalog.models import Gpu, Node
from orchestrator.fleet import findings
from orchestrator.fleet.models import Finding
from orchestrator.settings import Settings
from tests.workers.steps.bench import Bench
from workers.observe import observe
from workers.sweep import sweep

SETTINGS = Settings(
    offline_misses=1, offline_seconds=0, broadcast_seconds=0, sweep_grace_seconds=0, _env_file=None
)


@dataclass
class Watched:
    """Both sides of a fleet."""

    bench: Bench

    def look(self) -> str:
        """One tick of the watch."""
        self.bench.simulator.call(lambda server: server.world.broadcast.refresh())
        return observe(self.bench.database, self.bench.gateways, SETTINGS, "sim")

    def sweep(self) -> list[Finding]:
        """One sweep, and what there is to find then."""
        self.swept()
        with self.bench.database.transaction() as tx:
            return findings.present(tx)

    def swept(self) -> str:
        """One sweep; what it tells of itself."""
        self.bench.simulator.call(lambda server: server.world.broadcast.refresh())
        return sweep(self.bench.database, self.bench.gateways, SETTINGS, "sim")

    def running(self, **wanted: object) -> UUID:
        """A VM that runs."""
        vm_id = self.bench.vm(**wanted)
        assert self.bench.settle(vm_id) == "running", self.bench.told(vm_id)
        return vm_id

    def status(self, vm_id: UUID) -> str:
        return self.bench.row(vm_id).status

    def is_on(self, vm_id: UUID) -> bool:
        """What the hypervisor has."""
        vm = self.bench.simulator.vm(self.bench.row(vm_id).vmid)
        return vm is not None and vm.running is not None

    def kind(self, vm_id: UUID) -> str | None:
        operation = self.bench.operation(vm_id)
        return None if operation is None else operation.kind

    def node(self, node_id: str = "vm01") -> Node:
        with self.bench.database.transaction() as tx:
            return tx.get_one(Node, node_id)

    def gpu(self, mapping: str) -> Gpu:
        with self.bench.database.transaction() as tx:
            return tx.scalars(select(Gpu).where(Gpu.mapping == mapping)).one()

    def cut_off(self, *, online: bool = False) -> None:
        """The node is lost to the cluster, and its VMs run on."""
        self.bench.simulator.call(lambda server: setattr(server.cluster.nodes["vm01"], "online", online))

    def see_our_pool_alone(self) -> None:
        """The least privilege that is documented."""

        def revoke(server: Any) -> None:
            for subject in (self.bench.simulator.config.user, self.bench.simulator.token_id):
                server.cluster.directory.revoke("/vms", subject, "PVEAuditor")

        self.bench.simulator.call(revoke)

    def leave_disk(self, vm_id: UUID) -> str:
        """A disk of a VM that could not be removed; its volume id."""
        vmid = self.bench.row(vm_id).vmid
        volid = f"local-zfs:vm-{vmid}-disk-9"

        def add(server: Any) -> None:
            volumes = server.cluster.store("local-zfs", "vm01").volumes
            some = next(iter(volumes.values()))
            volumes[volid] = replace(some, volid=volid, vmid=vmid, parent=None)

        self.bench.simulator.call(add)
        return volid
