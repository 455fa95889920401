"""What pvestatd tells the cluster every ten seconds: names, states and loads, all of them a little old."""

import asyncio
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.clock import Clock
from simulator.state.cluster import Cluster
from simulator.state.nodes import Node
from simulator.state.vms import GIB, MIB, Vm

SHORTEST_PERIOD = 0.2
"""Wall seconds: a thousand nodes are not polled more often than this, however fast time runs."""
HOST_RESERVE = 4 * GIB


def cpu_load(vm: Vm, now: float) -> float:
    """A share of the VM's cores, made up from its VMID and the minute; 0 when it does not run."""
    if vm.running is None or vm.running.paused:
        return 0
    return 0.05 + zlib.crc32(f"{vm.vmid}/{int(now // 60)}".encode()) % 900 / 1000


def memory_used(vm: Vm) -> int:
    """Bytes; passthrough pins all of it."""
    if vm.running is None:
        return 0
    return int(vm.memory_mib * MIB * (1 if vm.running.devices else 0.4))


def node_memory_used(node: Node, vms: Sequence[Vm]) -> int:
    """Bytes of a host's memory in use, given its VMs."""
    return min(HOST_RESERVE + sum(map(memory_used, vms)), node.memory)


def node_cpu(node: Node, vms: Sequence[Vm], now: float) -> float:
    """The share of a host's cores in use, given its VMs."""
    return min(0.01 + sum(cpu_load(vm, now) * vm.vcpus for vm in vms if vm.running) / node.cores, 1.0)


def disk_size(cluster: Cluster, vm: Vm) -> int:
    """Bytes of the VM's first boot disk."""
    boot = vm.config.get("boot", "").removeprefix("order=").split(";")[0]
    drive = vm.drives().get(boot)
    volume = cluster.volume(drive["file"], vm.node) if drive else None
    return volume.size if volume else 0


def vm_statistics(cluster: Cluster, vm: Vm, now: float) -> dict[str, Any]:
    """The broadcast part of a VM's line in /cluster/resources."""
    return {
        "name": vm.name,
        "status": "running" if vm.running else "stopped",
        "template": int(vm.is_template),
        "uptime": int(now - vm.running.since) if vm.running else 0,
        "cpu": cpu_load(vm, now),
        "maxcpu": vm.vcpus,
        "mem": memory_used(vm),
        "maxmem": vm.memory_mib * MIB,
        "memhost": memory_used(vm),
        "disk": 0,
        "maxdisk": disk_size(cluster, vm),
        "diskread": 0,
        "diskwrite": 0,
        "netin": 0,
        "netout": 0,
    }


@dataclass
class Broadcast:
    """The last round."""

    cluster: Cluster
    clock: Clock
    period: float
    _statistics: dict[int, dict[str, Any]] = field(default_factory=dict)

    def of(self, vm: Vm) -> dict[str, Any] | None:
        """What is known of a VM: nothing for one that is new, or whose node is silent."""
        node = self.cluster.nodes.get(vm.node)
        if node is None or not node.online:
            return None
        if not self.clock.scale:
            return vm_statistics(self.cluster, vm, self.clock.now())
        return self._statistics.get(vm.vmid)

    def refresh(self) -> None:
        """One round."""
        now = self.clock.now()
        self._statistics = {vm.vmid: vm_statistics(self.cluster, vm, now) for vm in self.cluster.vms.values()}

    async def run(self) -> None:
        """Round after round."""
        while self.clock.scale:
            self.refresh()
            await asyncio.sleep(max(self.period * self.clock.scale, SHORTEST_PERIOD))
