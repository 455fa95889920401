"""Lines of listings that several endpoints share."""

from collections.abc import Callable
from typing import Any

from simulator.broadcast import (
    Broadcast,
    cpu_load,
    disk_size,
    memory_used,
    node_cpu,
    node_memory_used,
)
from simulator.state.cluster import Cluster
from simulator.state.nodes import Node
from simulator.state.vms import GIB, MIB, Vm
from simulator.state.volumes import Store

ROOT_DISK = 100 * GIB
PRESSURE = tuple(f"pressure{what}{kind}" for what in ("cpu", "io", "memory") for kind in ("some", "full"))


def vm_line(cluster: Cluster, vm: Vm, now: float) -> dict[str, Any]:
    """A VM as its node lists it; fresh."""
    line: dict[str, Any] = {
        "vmid": vm.vmid,
        "name": vm.name,
        "status": "running" if vm.running else "stopped",
        "cpus": vm.vcpus,
        "cpu": cpu_load(vm, now),
        "mem": memory_used(vm),
        "maxmem": vm.memory_mib * MIB,
        "memhost": memory_used(vm),
        "disk": 0,
        "maxdisk": disk_size(cluster, vm),
        "netin": 0,
        "netout": 0,
        "uptime": int(now - vm.running.since) if vm.running else 0,
    }
    for option in ("tags", "lock"):
        if option in vm.config:
            line[option] = vm.config[option]
    if vm.is_template:
        line["template"] = 1
    if "serial0" in vm.config:
        line["serial"] = 1
    if vm.running:
        line |= {"pid": vm.running.pid, **dict.fromkeys(PRESSURE, 0)}
    return line


def vm_resource(cluster: Cluster, broadcast: Broadcast, vm: Vm) -> dict[str, Any]:
    """A VM in /cluster/resources: place, tags and lock are fresh, the rest is what was broadcast last."""
    line: dict[str, Any] = {
        "id": f"qemu/{vm.vmid}",
        "type": "qemu",
        "vmid": vm.vmid,
        "node": vm.node,
        "status": "unknown",
    }
    line |= broadcast.of(vm) or {}
    for option in ("tags", "lock"):
        if option in vm.config:
            line[option] = vm.config[option]
    if pool := cluster.pool_of(vm.vmid):
        line["pool"] = pool.name
    return line


def node_lines(cluster: Cluster, now: float, may_audit: Callable[[str], bool]) -> list[dict[str, Any]]:
    """All nodes; their numbers are for those who may audit them, and only while they are up."""
    vms = cluster.vms_by_node()
    lines = []
    for node in cluster.nodes.values():
        line: dict[str, Any] = {
            "id": f"node/{node.name}",
            "type": "node",
            "node": node.name,
            "status": "online" if node.online else "offline",
            "level": "",
        }
        if node.online and may_audit(node.name):
            line |= _node_numbers(node, vms[node.name], now)
        lines.append(line)
    return lines


def _node_numbers(node: Node, vms: list[Vm], now: float) -> dict[str, Any]:
    return {
        "cpu": node_cpu(node, vms, now),
        "maxcpu": node.cores,
        "mem": node_memory_used(node, vms),
        "maxmem": node.memory,
        "disk": ROOT_DISK // 10,
        "maxdisk": ROOT_DISK,
        "uptime": int(now - node.booted_at),
    }


def storage_numbers(store: Store) -> dict[str, Any]:
    """Sizes of a storage in bytes."""
    storage = store.storage
    return {
        "type": storage.kind,
        "content": ",".join(storage.content),
        "shared": int(storage.shared),
        "enabled": int(not storage.disabled),
        "active": int(not storage.disabled),
        "total": storage.size,
        "used": store.used,
        "avail": store.available,
    }
