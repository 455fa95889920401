"""The state of the cluster at a glance, as plain data."""

from typing import Any

from simulator.state.cluster import Cluster
from simulator.state.nodes import Node
from simulator.state.vms import Vm
from simulator.world import World

TASKS = 30


def overview(world: World) -> dict[str, Any]:
    """Nodes with their cards, VMs, and the latest tasks."""
    cluster = world.cluster
    now = world.clock.now()
    tasks = sorted(world.tasks.all(), key=lambda task: (task.is_running, task.upid.starttime), reverse=True)
    return {
        "cluster": cluster.name,
        "quorate": cluster.quorate,
        "nodes": [_node(cluster, node, now) for node in cluster.nodes.values()],
        "vms": [_vm(world, vm) for vm in sorted(cluster.vms.values(), key=lambda vm: vm.vmid)],
        "tasks": [
            {
                "upid": str(t.upid),
                "node": t.upid.node,
                "type": t.upid.type,
                "id": t.upid.id,
                "status": t.exitstatus,
            }
            for t in tasks[:TASKS]
        ],
        "faults": world.faults.armed(),
    }


def _node(cluster: Cluster, node: Node, now: float) -> dict[str, Any]:
    owners = {address: reservation.vmid for address, reservation in node.reservations.items()}
    return {
        "name": node.name,
        "online": node.online,
        "uptime": int(now - node.booted_at) if node.online else 0,
        "clock_skew": node.clock_skew,
        "vms": sum(1 for vm in cluster.vms.values() if vm.node == node.name),
        "gpus": [
            {
                "address": device.slot,
                "product": device.product,
                "vmid": owners.get(device.address),
                "missing": device.missing,
                "dead": device.dead,
            }
            for device in node.devices.values()
            if device.product
        ],
    }


def _vm(world: World, vm: Vm) -> dict[str, Any]:
    guest = world.guests.of(vm.vmid)
    return {
        "vmid": vm.vmid,
        "name": vm.name,
        "node": vm.node,
        "status": "running" if vm.running else "stopped",
        "template": vm.is_template,
        "lock": vm.lock,
        "address": vm.running.address if vm.running else None,
        "agent": guest.agent_up if guest else False,
        "ssh": guest.listening if guest else False,
        "gpus": sorted({address.rsplit(".", 1)[0] for address in vm.running.devices}) if vm.running else [],
    }
