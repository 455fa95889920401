"""The VMs of a node and the state of one."""

from typing import Any

from simulator.api.call import Call, Endpoint
from simulator.api.qemu.common import LIST, VM, vm_rule
from simulator.api.rows import vm_line
from simulator.schema.parameters import boolean


def _list(call: Call) -> list[dict[str, Any]]:
    world = call.world
    return [
        vm_line(world.cluster, vm, world.clock.now())
        for vm in world.cluster.vms_on(call.node.name)
        if call.rights.has(f"/vms/{vm.vmid}", "VM.Audit")
    ]


def _current(call: Call) -> dict[str, Any]:
    vm = call.vm
    line = vm_line(call.world.cluster, vm, call.world.clock.now())
    line |= {"ha": {"managed": 0}, "clipboard": None, "qmpstatus": line["status"]}
    if vm.agent_enabled:
        line["agent"] = 1
    if vm.running:
        line["nics"] = {
            f"tap{vm.vmid}i{card.removeprefix('net')}": {"netin": 0, "netout": 0} for card in vm.networks()
        }
        if vm.running.paused:
            line["qmpstatus"] = "paused"
    return line


def _index(_call: Call) -> list[dict[str, str]]:
    return [
        {"subdir": name}
        for name in (
            "agent",
            "clone",
            "cloudinit",
            "config",
            "feature",
            "pending",
            "resize",
            "snapshot",
            "status",
        )
    ]


def _status_index(_call: Call) -> list[dict[str, str]]:
    names = ("current", "start", "stop", "reset", "shutdown", "suspend", "reboot", "resume")
    return [{"subdir": name} for name in names]


ENDPOINTS = (
    Endpoint("GET", LIST, _list, {"full": boolean()}),
    Endpoint("GET", VM, _index),
    Endpoint("GET", f"{VM}/status", _status_index),
    Endpoint("GET", f"{VM}/status/current", _current, {}, vm_rule("VM.Audit")),
)
