"""/pools."""

from dataclasses import replace
from typing import Any

from simulator.access.rules import on
from simulator.api.call import Call, Endpoint
from simulator.api.rows import vm_resource
from simulator.errors import PveError
from simulator.schema import formats
from simulator.schema.formats import split_tags
from simulator.schema.parameters import boolean, choice, need, text
from simulator.state.cluster import ResourcePool


def _members(call: Call, pool: ResourcePool) -> list[dict[str, Any]]:
    world = call.world
    lines = [
        vm_resource(world.cluster, world.broadcast, world.cluster.vms[vmid]) for vmid in sorted(pool.vms)
    ]
    for line in lines:
        line.pop("pool", None)
        line.pop("tags", None)
    kind = call.args.get("type")
    return [line for line in lines if kind in (None, line["type"])]


def _known(call: Call) -> ResourcePool:
    pool = call.world.cluster.pools.get(call.args["poolid"])
    if pool is None:
        raise PveError(f"pool '{call.args['poolid']}' does not exist")
    return pool


def _line(pool: ResourcePool) -> dict[str, Any]:
    return {"poolid": pool.name} | ({"comment": pool.comment} if pool.comment else {})


def _list(call: Call) -> list[dict[str, Any]]:
    if "poolid" in call.args:
        pool = _known(call)
        return [{**_line(pool), "members": _members(call, pool)}]
    return [
        _line(pool)
        for pool in call.world.cluster.pools.values()
        if call.rights.any(f"/pool/{pool.name}", "Pool.Audit", "Pool.Allocate")
    ]


def _read(call: Call) -> dict[str, Any]:
    pool = _known(call)
    return {"members": _members(call, pool)} | ({"comment": pool.comment} if pool.comment else {})


def _add(call: Call) -> None:
    name = call.args["poolid"]
    if name in call.world.cluster.pools:
        raise PveError(f"create pool failed: pool '{name}' already exists")
    call.world.cluster.pools[name] = ResourcePool(name, call.args.get("comment", ""))


def _change(call: Call) -> None:
    pool, cluster = _known(call), call.world.cluster
    pool.comment = call.args.get("comment", pool.comment)
    for text_id in split_tags(call.args.get("vms", "")):
        vmid = int(text_id)
        present = cluster.pool_of(vmid)
        if call.args.get("delete"):
            if present is not pool:
                raise PveError(f"update pools failed: VM {vmid} is not a pool member")
            pool.vms.discard(vmid)
            continue
        if present is not None and not call.args.get("allow-move"):
            raise PveError(f"update pools failed: VM {vmid} belongs already to pool '{present.name}'")
        if vmid not in cluster.vms:
            raise PveError(f"update pools failed: no such VM {vmid}")
        if present is not None:
            present.vms.discard(vmid)
        pool.vms.add(vmid)


def _remove(call: Call) -> None:
    pool = _known(call)
    if pool.vms:
        first = min(pool.vms)
        raise PveError(f"delete pool failed: pool '{pool.name}' is not empty (contains VM {first})")
    del call.world.cluster.pools[pool.name]


_ALLOCATE = on("/pool/{poolid}", "Pool.Allocate")
_NAME = {"poolid": need(text(formats.pool_id))}
_CHANGES = {
    "comment": text(),
    "vms": text(formats.list_of(formats.vmid)),
    "storage": text(),
    "delete": boolean(),
    "allow-move": boolean(),
}
_TYPE = choice("qemu", "lxc", "storage")

ENDPOINTS = (
    Endpoint(
        "GET",
        "/pools",
        _list,
        {"poolid": text(formats.pool_id), "type": replace(_TYPE, requires="poolid")},
    ),
    Endpoint("POST", "/pools", _add, {**_NAME, "comment": text()}, _ALLOCATE),
    Endpoint("PUT", "/pools", _change, {**_NAME, **_CHANGES}, _ALLOCATE),
    Endpoint("DELETE", "/pools", _remove, _NAME, _ALLOCATE),
    Endpoint("GET", "/pools/{poolid}", _read, {"type": _TYPE}, on("/pool/{poolid}", "Pool.Audit")),
    Endpoint("PUT", "/pools/{poolid}", _change, _CHANGES, _ALLOCATE),
    Endpoint("DELETE", "/pools/{poolid}", _remove, {}, _ALLOCATE),
)
