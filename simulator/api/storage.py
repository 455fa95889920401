"""/storage, the definitions, and /nodes/{node}/storage, what a node sees of them."""

from typing import Any

from simulator.access.rules import any_on, on
from simulator.api.call import Call, Endpoint
from simulator.api.rows import storage_numbers
from simulator.errors import PveError, bad_parameters
from simulator.schema import formats
from simulator.schema.formats import split_tags
from simulator.schema.parameters import boolean, choice, integer, need, text
from simulator.state.vms import MIB
from simulator.state.volumes import LAYOUTS, Storage, Volume

SMALL = 300 * MIB
"""The size of a storage that is defined by a call: enough to fill it in a test."""
_KINDS = (
    *(
        "btrfs",
        "cephfs",
        "cifs",
        "dir",
        "esxi",
        "iscsi",
        "iscsidirect",
        "lvm",
        "lvmthin",
        "nfs",
        "pbs",
        "rbd",
    ),
    *("zfs", "zfspool"),
)


def _list(call: Call) -> list[dict[str, Any]]:
    cluster, args = call.world.cluster, call.args
    lines = []
    for name, storage in cluster.storages.items():
        if not call.rights.any(f"/storage/{name}", "Datastore.Audit", "Datastore.AllocateSpace"):
            continue
        if args.get("storage", name) != name or (args.get("enabled") and storage.disabled):
            continue
        wanted = split_tags(args.get("content", ""))
        if wanted and not set(wanted) & set(storage.content):
            continue
        if storage.disabled:
            lines.append({"storage": name, "type": storage.kind, "enabled": 0, "active": 0})
            continue
        store = cluster.store(name, call.node.name)
        fraction = store.used / storage.size if storage.size else 0
        lines.append({"storage": name, **storage_numbers(store), "used_fraction": fraction})
    return lines


def _status(call: Call) -> dict[str, Any]:
    return storage_numbers(call.world.cluster.store(call.args["storage"], call.node.name))


def _content(call: Call) -> list[dict[str, Any]]:
    store = call.world.cluster.store(call.args["storage"], call.node.name)
    kind = call.args.get("content", "images")
    return [
        _volume_line(volume)
        for volume in sorted(store.volumes.values(), key=lambda volume: volume.volid)
        if kind == "images" and call.args.get("vmid", volume.vmid) == volume.vmid
    ]


def _volume_line(volume: Volume) -> dict[str, Any]:
    parent = (
        f"../{volume.parent.split(':', 1)[1]}" if volume.parent and "/" in volume.parent else volume.parent
    )
    return {
        "volid": volume.volid,
        "vmid": volume.vmid,
        "content": "images",
        "format": volume.format,
        "size": volume.size,
        "used": volume.used,
        "ctime": volume.ctime,
        "parent": parent,
    }


def _volume(call: Call) -> Volume:
    store = call.world.cluster.store(call.args["storage"], call.node.name)
    name = call.args["volume"]
    volid = name if ":" in name else f"{call.args['storage']}:{name}"
    if volid not in store.volumes:
        raise PveError(f"volume '{volid}' does not exist")
    return store.volumes[volid]


def _read_volume(call: Call) -> dict[str, Any]:
    call.rights.require(
        f"/storage/{call.args['storage']}", "Datastore.Audit", "Datastore.AllocateSpace", any_of=True
    )
    volume = _volume(call)
    return {"path": "", "size": volume.size, "used": volume.used, "format": volume.format}


def _free_volume(call: Call) -> str:
    volume = _volume(call)
    call.rights.require(f"/storage/{call.args['storage']}", "Datastore.Allocate")
    store = call.world.cluster.store(call.args["storage"], call.node.name)

    async def work(_job: Any) -> None:
        store.volumes.pop(volume.volid, None)

    return call.start_task("imgdel", f"{volume.vmid}@{call.args['storage']}", work)


def _definitions(call: Call) -> list[dict[str, Any]]:
    return [
        _definition(storage)
        for name, storage in call.world.cluster.storages.items()
        if call.rights.any(f"/storage/{name}", "Datastore.Audit", "Datastore.AllocateSpace")
        and call.args.get("type", storage.kind) == storage.kind
    ]


def _definition(storage: Storage) -> dict[str, Any]:
    line = {"storage": storage.name, "type": storage.kind, "content": ",".join(storage.content)}
    return line | ({"disable": 1} if storage.disabled else {})


def _read_definition(call: Call) -> dict[str, Any]:
    return _definition(_known(call))


def _known(call: Call) -> Storage:
    name = call.args["storage"]
    if name not in call.world.cluster.storages:
        raise PveError(f"storage '{name}' does not exist")
    return call.world.cluster.storages[name]


def _add(call: Call) -> dict[str, Any]:
    name, kind = call.args["storage"], call.args["type"]
    if name in call.world.cluster.storages:
        raise PveError(f"create storage failed: storage ID '{name}' already defined")
    if kind not in LAYOUTS:
        raise bad_parameters({"type": f"the simulator models only {', '.join(LAYOUTS)}"})
    content = tuple(split_tags(call.args.get("content", "images,rootdir")))
    path = call.args.get("path", f"/mnt/pve/{name}")
    call.world.cluster.storages[name] = Storage(
        name, kind, SMALL, content, call.args.get("shared", False), call.args.get("disable", False), path
    )
    return {"storage": name, "type": kind}


def _change(call: Call) -> dict[str, Any]:
    storage = _known(call)
    if "disable" in call.args:
        storage.disabled = call.args["disable"]
    if "content" in call.args:
        storage.content = tuple(split_tags(call.args["content"]))
    return {"storage": storage.name, "type": storage.kind}


def _remove(call: Call) -> None:
    name = _known(call).name
    cluster = call.world.cluster
    del cluster.storages[name]
    cluster.stores = {key: store for key, store in cluster.stores.items() if key[0] != name}


_STORAGE = "/nodes/{node}/storage/{storage}"
_SEES = any_on("/storage/{storage}", "Datastore.Audit", "Datastore.AllocateSpace")
_DEFINES = on("/storage", "Datastore.Allocate")
_DEFINITION = {
    "content": text(),
    "disable": boolean(),
    "nodes": text(),
    "shared": boolean(),
}

ENDPOINTS = (
    Endpoint("GET", "/storage", _definitions, {"type": choice(*_KINDS)}),
    Endpoint(
        "POST",
        "/storage",
        _add,
        {
            "storage": need(text(formats.storage_id)),
            "type": need(choice(*_KINDS)),
            "path": text(),
            "pool": text(),
            **_DEFINITION,
        },
        _DEFINES,
    ),
    Endpoint(
        "GET", "/storage/{storage}", _read_definition, {}, on("/storage/{storage}", "Datastore.Allocate")
    ),
    Endpoint("PUT", "/storage/{storage}", _change, _DEFINITION, _DEFINES),
    Endpoint("DELETE", "/storage/{storage}", _remove, {}, _DEFINES),
    Endpoint(
        "GET",
        "/nodes/{node}/storage",
        _list,
        {
            "content": text(),
            "storage": text(formats.storage_id),
            "target": text(formats.node_name),
            "enabled": boolean(),
            "format": boolean(),
        },
    ),
    Endpoint("GET", f"{_STORAGE}/status", _status, {}, _SEES),
    Endpoint(
        "GET",
        f"{_STORAGE}/content",
        _content,
        {"content": text(), "vmid": integer(100, 999_999_999, formats.vmid)},
        _SEES,
    ),
    Endpoint("GET", f"{_STORAGE}/content/{{volume}}", _read_volume),
    Endpoint("DELETE", f"{_STORAGE}/content/{{volume}}", _free_volume, {"delay": integer(1, 30)}),
)
