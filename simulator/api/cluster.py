"""/cluster: ids, resources, membership, recent tasks."""

from typing import Any

from simulator.access.rules import on
from simulator.api.call import Call, Endpoint
from simulator.api.rows import node_lines, storage_numbers, vm_resource
from simulator.api.tasks import visible_tasks
from simulator.errors import PveError, bad_parameters
from simulator.schema import formats
from simulator.schema.parameters import choice, integer
from simulator.schema.properties import parse_pairs
from simulator.state.nodes import Node

LOWEST_ID, HIGHEST_ID = 100, 1_000_000
RECENT_TASKS = 25
"""Finished tasks per node in the cluster's list."""


def _next_id(call: Call) -> str:
    cluster = call.world.cluster
    if "vmid" in call.args:
        if call.vmid in cluster.vms:
            raise bad_parameters({"vmid": f"VM {call.vmid} already exists"})
        return str(call.vmid)
    limits = parse_pairs(cluster.options.get("next-id", ""))
    lower, upper = int(limits.get("lower", LOWEST_ID)), int(limits.get("upper", HIGHEST_ID))
    free = next((number for number in range(lower, upper) if number not in cluster.vms), None)
    if free is None:
        raise PveError(f"unable to get any free VMID in range [{lower}, {upper - 1}]")
    return str(free)


def _resources(call: Call) -> list[dict[str, Any]]:
    kinds = {
        "vm": (_vm_lines,),
        "node": (_node_lines,),
        "storage": (_storage_lines,),
        "sdn": (_network_lines,),
    }
    wanted = kinds.get(call.args.get("type", ""), (_vm_lines, _node_lines, _storage_lines, _network_lines))
    return [line for part in wanted for line in part(call)]


def _vm_lines(call: Call) -> list[dict[str, Any]]:
    world = call.world
    return [
        vm_resource(world.cluster, world.broadcast, vm)
        for vm in world.cluster.vms.values()
        if call.rights.has(f"/vms/{vm.vmid}", "VM.Audit")
    ]


def _node_lines(call: Call) -> list[dict[str, Any]]:
    lines = node_lines(call.world.cluster, call.world.clock.now(), call.may_audit_node)
    return [{**line, "cgroup-mode": 2} for line in lines]


def _storage_lines(call: Call) -> list[dict[str, Any]]:
    return [
        _storage_line(call, storage, node)
        for node in call.world.cluster.nodes.values()
        for storage, definition in call.world.cluster.storages.items()
        if not definition.disabled and call.rights.has(f"/storage/{storage}", "Datastore.Audit")
    ]


def _storage_line(call: Call, storage: str, node: Node) -> dict[str, Any]:
    numbers = storage_numbers(call.world.cluster.store(storage, node.name))
    return {
        "id": f"storage/{node.name}/{storage}",
        "type": "storage",
        "node": node.name,
        "storage": storage,
        "status": "available" if node.online else "unknown",
        "shared": numbers["shared"],
        "plugintype": numbers["type"],
        "content": numbers["content"],
        "disk": numbers["used"],
        "maxdisk": numbers["total"],
    }


def _network_lines(call: Call) -> list[dict[str, Any]]:
    if not call.rights.has("/sdn/zones/localnetwork", "SDN.Audit"):
        return []
    return [
        {
            "id": f"network/{node.name}/zone/localnetwork",
            "type": "network",
            "network": "localnetwork",
            "network-type": "zone",
            "node": node.name,
            "status": "ok",
        }
        for node in call.world.cluster.nodes.values()
    ]


def _status(call: Call) -> list[dict[str, Any]]:
    cluster = call.world.cluster
    alone = len(cluster.nodes) == 1
    lines: list[dict[str, Any]] = []
    if not alone:
        lines.append(
            {
                "id": "cluster",
                "type": "cluster",
                "name": cluster.name,
                "nodes": len(cluster.nodes),
                "quorate": int(cluster.quorate),
                "version": 1,
            }
        )
    for number, node in enumerate(cluster.nodes.values(), start=1):
        lines.append(
            {
                "id": f"node/{node.name}",
                "type": "node",
                "name": node.name,
                "ip": node.address,
                "nodeid": 0 if alone else number,
                "local": int(node is cluster.entry_node),
                "online": int(node.online),
                "level": "",
            }
        )
    return lines


def _tasks(call: Call) -> list[dict[str, Any]]:
    return [
        line
        for name in call.world.cluster.nodes
        for line in visible_tasks(call, name, running_as_status=False)[:RECENT_TASKS]
    ]


ENDPOINTS = (
    Endpoint("GET", "/cluster/nextid", _next_id, {"vmid": integer(100, 999_999_999, formats.vmid)}),
    Endpoint("GET", "/cluster/resources", _resources, {"type": choice("vm", "storage", "node", "sdn")}),
    Endpoint("GET", "/cluster/status", _status, {}, on("/", "Sys.Audit")),
    Endpoint("GET", "/cluster/tasks", _tasks),
    Endpoint(
        "GET", "/cluster/options", lambda call: dict(call.world.cluster.options), {}, on("/", "Sys.Audit")
    ),
)
