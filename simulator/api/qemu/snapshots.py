"""Snapshots of a VM."""

from typing import Any

from simulator.api.call import Call, Endpoint
from simulator.api.qemu.common import VM, any_vm_rule, vm_rule
from simulator.api.qemu.config import visible
from simulator.errors import PveError
from simulator.machines import snapshots
from simulator.machines.start import start
from simulator.schema import formats
from simulator.schema.parameters import boolean, need, text
from simulator.state.conf_file import digest
from simulator.tasks.task import Job


def _list(call: Call) -> list[dict[str, Any]]:
    vm = call.vm
    lines: list[dict[str, Any]] = []
    for name, snapshot in vm.snapshots.items():
        line = {
            "name": name,
            "description": snapshot.description,
            "vmstate": 0,
            "snaptime": snapshot.created,
        }
        lines.append(line | ({"parent": snapshot.parent} if snapshot.parent else {}))
    current = {
        "name": "current",
        "description": "You are here!",
        "running": int(vm.running is not None),
        "digest": digest(vm),
    }
    return [*lines, current | ({"parent": vm.current_snapshot} if vm.current_snapshot else {})]


def _take(call: Call) -> str:
    name, description = call.args["snapname"], call.args.get("description", "")
    if name == "current":
        raise PveError("unable to use snapshot name 'current' (reserved name)")
    world, node, vmid = call.world, call.node, call.vmid
    return call.start_task(
        "qmsnapshot", vmid, lambda job: snapshots.take(world, node, vmid, name, description, job)
    )


def _roll_back(call: Call) -> str:
    world, node, vmid, name = call.world, call.node, call.vmid, call.args["snapname"]
    starts = call.args.get("start")

    async def work(job: Job) -> None:
        await snapshots.roll_back(world, node, vmid, name, job)
        if starts:
            await start(world, node, vmid, job)

    return call.start_task("qmrollback", vmid, work)


def _remove(call: Call) -> str:
    world, node, vmid, name = call.world, call.node, call.vmid, call.args["snapname"]
    return call.start_task("qmdelsnapshot", vmid, lambda job: snapshots.remove(world, node, vmid, name, job))


def _index(_call: Call) -> list[dict[str, str]]:
    return [{"cmd": "config"}, {"cmd": "rollback"}]


def _config(call: Call) -> dict[str, Any]:
    snapshot = snapshots.existing(call.vm, call.args["snapname"])
    shown = {option: visible(option, value) for option, value in snapshot.config.items()}
    return {**shown, "snaptime": snapshot.created}


_SNAPSHOTS = f"{VM}/snapshot"
_SNAPSHOT = f"{_SNAPSHOTS}/{{snapname}}"

ENDPOINTS = (
    Endpoint("GET", _SNAPSHOTS, _list, {}, vm_rule("VM.Audit")),
    Endpoint(
        "POST",
        _SNAPSHOTS,
        _take,
        {
            "snapname": need(text(formats.config_id, max_length=40)),
            "description": text(),
            "vmstate": boolean(),
        },
        vm_rule("VM.Snapshot"),
    ),
    Endpoint("GET", _SNAPSHOT, _index),
    Endpoint("DELETE", _SNAPSHOT, _remove, {"force": boolean()}, vm_rule("VM.Snapshot")),
    Endpoint(
        "GET",
        f"{_SNAPSHOT}/config",
        _config,
        {},
        any_vm_rule("VM.Snapshot", "VM.Snapshot.Rollback", "VM.Audit"),
    ),
    Endpoint(
        "POST",
        f"{_SNAPSHOT}/rollback",
        _roll_back,
        {"start": boolean()},
        any_vm_rule("VM.Snapshot", "VM.Snapshot.Rollback"),
    ),
)
