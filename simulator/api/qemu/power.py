"""Start, stop and what lies between."""

from simulator.access.directory import ROOT
from simulator.api.call import Call, Endpoint
from simulator.api.qemu.common import SKIPLOCK, VM, root_option, skips_lock, vm_rule
from simulator.errors import PveError
from simulator.machines import stop as stopping
from simulator.machines.start import start
from simulator.schema import formats
from simulator.schema.parameters import boolean, choice, integer, pattern, properties, text
from simulator.schema.vm_options import MACHINE
from simulator.tasks.task import Job

_MIGRATION = (
    "migratedfrom",
    "migration_type",
    "migration_network",
    "stateuri",
    "targetstorage",
    "nets-host-mtu",
)
NO_SUSPEND = (
    "cannot suspend VM to disk due to passed-through PCI device(s),"
    " which lack the possibility to save/restore their internal state"
)


def _start(call: Call) -> str:
    skiplock = skips_lock(call)
    for option in _MIGRATION:
        root_option(call.who, call.args, option)
    call.world.cluster.assert_quorum()
    node, vmid, timeout = call.node, call.vmid, call.args.get("timeout")
    return call.start_task(
        "qmstart",
        vmid,
        lambda job: start(call.world, node, vmid, job, timeout=timeout, skiplock=skiplock),
    )


async def _stop(call: Call) -> str:
    skiplock = skips_lock(call)
    root_option(call.who, call.args, "keepActive")
    node, vmid = call.node, call.vmid
    if call.args.get("overrule-shutdown"):
        await _abort_shutdowns(call)
    return call.start_task(
        "qmstop", vmid, lambda job: stopping.stop(call.world, node, vmid, job, skiplock=skiplock)
    )


async def _abort_shutdowns(call: Call) -> None:
    for task in call.world.tasks.of_node(call.node.name):
        if task.is_running and (task.upid.type, task.upid.id) == ("qmshutdown", str(call.vmid)):
            await call.world.tasks.stop(str(task.upid))


def _shutdown(call: Call) -> str:
    skiplock = skips_lock(call)
    root_option(call.who, call.args, "keepActive")
    node, vmid, args = call.node, call.vmid, call.args
    return call.start_task(
        "qmshutdown",
        vmid,
        lambda job: stopping.shut_down(
            call.world,
            node,
            vmid,
            job,
            timeout=args.get("timeout"),
            force=args.get("forceStop", False),
            skiplock=skiplock,
        ),
    )


def _reboot(call: Call) -> str:
    world, node, vmid, timeout = call.world, call.node, call.vmid, call.args.get("timeout")
    stopping.assert_running(world, node, vmid)

    async def work(job: Job) -> None:
        await stopping.shut_down(world, node, vmid, job, timeout=timeout)
        # The start is a task of its own, made by a daemon that saw QEMU end.
        world.tasks.start(node, "qmstart", str(vmid), ROOT, lambda second: start(world, node, vmid, second))

    return call.start_task("qmreboot", vmid, work)


def _reset(call: Call) -> str:
    skiplock = skips_lock(call)
    world, node, vmid = call.world, call.node, call.vmid
    stopping.assert_running(world, node, vmid)
    return call.start_task(
        "qmreset", vmid, lambda job: stopping.reset(world, node, vmid, job, skiplock=skiplock)
    )


def _suspend(call: Call) -> str:
    skiplock = skips_lock(call)
    world, node, vmid = call.world, call.node, call.vmid
    vm = stopping.assert_running(world, node, vmid)
    if call.args.get("todisk"):
        if vm.passthrough():
            raise PveError(NO_SUSPEND)
        raise PveError("the simulator does not suspend to disk")
    return call.start_task(
        "qmpause",
        vmid,
        lambda job: stopping.pause(world, node, vmid, job, paused=True, skiplock=skiplock),
    )


def _resume(call: Call) -> str:
    skiplock = skips_lock(call)
    world, node, vmid = call.world, call.node, call.vmid
    stopping.assert_running(world, node, vmid)
    return call.start_task(
        "qmresume",
        vmid,
        lambda job: stopping.pause(world, node, vmid, job, paused=False, skiplock=skiplock),
    )


_TIMEOUT = {"timeout": integer(0)}
_POWER = vm_rule("VM.PowerMgmt")
_STATUS = f"{VM}/status"

ENDPOINTS = (
    Endpoint(
        "POST",
        f"{_STATUS}/start",
        _start,
        {
            **_TIMEOUT,
            **SKIPLOCK,
            "force-cpu": text(),
            "machine": properties(MACHINE),
            "migratedfrom": text(formats.node_name),
            "migration_network": text(),
            "migration_type": choice("secure", "insecure"),
            "nets-host-mtu": pattern(r"net\d+=\d+(,net\d+=\d+)*"),
            "stateuri": text(max_length=128),
            "targetstorage": text(),
            "with-conntrack-state": boolean(),
        },
        _POWER,
    ),
    Endpoint(
        "POST",
        f"{_STATUS}/stop",
        _stop,
        {
            **_TIMEOUT,
            **SKIPLOCK,
            "keepActive": boolean(),
            "migratedfrom": text(formats.node_name),
            "overrule-shutdown": boolean(),
        },
        _POWER,
    ),
    Endpoint(
        "POST",
        f"{_STATUS}/shutdown",
        _shutdown,
        {**_TIMEOUT, **SKIPLOCK, "forceStop": boolean(), "keepActive": boolean()},
        _POWER,
    ),
    Endpoint("POST", f"{_STATUS}/reboot", _reboot, _TIMEOUT, _POWER),
    Endpoint("POST", f"{_STATUS}/reset", _reset, SKIPLOCK, _POWER),
    Endpoint(
        "POST",
        f"{_STATUS}/suspend",
        _suspend,
        {**SKIPLOCK, "todisk": boolean(), "statestorage": text(formats.storage_id, requires="todisk")},
        _POWER,
    ),
    Endpoint("POST", f"{_STATUS}/resume", _resume, {**SKIPLOCK, "nocheck": boolean()}, _POWER),
)
