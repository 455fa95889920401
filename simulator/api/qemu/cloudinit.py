"""Cloud-init: what the guest gets to read, and what it has not read yet."""

from typing import Any

from simulator.api.call import Call, Endpoint
from simulator.api.qemu.common import VM, vm_rule
from simulator.api.qemu.config import visible
from simulator.guests import cloudinit
from simulator.locks import config_lock
from simulator.machines.guard import CONFIG_LOCK_WAIT, check_lock
from simulator.schema.parameters import choice, need
from simulator.schema.vm_options import is_cloudinit

ALWAYS_SHOWN = ("cipassword", "ciuser", "sshkeys")

_DOCUMENTS = {
    "user": cloudinit.user_data,
    "network": cloudinit.network_data,
    "meta": cloudinit.meta_data,
}


def _pending(call: Call) -> list[dict[str, Any]]:
    vm = call.vm
    wanted = cloudinit.image_options(vm)
    lines = []
    for option in sorted(filter(is_cloudinit, {*wanted, *vm.iso})):
        line: dict[str, Any] = {"key": option}
        if option in vm.iso or not vm.iso:
            line["value"] = visible(option, vm.iso.get(option, wanted.get(option, "")))
        if vm.iso and wanted.get(option) != vm.iso.get(option):
            line |= {"pending": visible(option, wanted[option])} if option in wanted else {"delete": 1}
        if option in ALWAYS_SHOWN or "pending" in line or "delete" in line:
            lines.append(line)
    return lines


async def _regenerate(call: Call) -> None:
    vm = call.vm
    check_lock(vm)
    async with call.world.locks.hold(call.node.name, config_lock(vm.vmid), CONFIG_LOCK_WAIT):
        vm = call.vm
        vm.iso = cloudinit.image_options(vm)


def _dump(call: Call) -> str:
    return _DOCUMENTS[call.args["type"]](cloudinit.image_options(call.vm))


ENDPOINTS = (
    Endpoint("GET", f"{VM}/cloudinit", _pending, {}, vm_rule("VM.Audit")),
    Endpoint("PUT", f"{VM}/cloudinit", _regenerate, {}, vm_rule("VM.Config.Cloudinit")),
    Endpoint("GET", f"{VM}/cloudinit/dump", _dump, {"type": need(choice(*_DOCUMENTS))}, vm_rule("VM.Audit")),
)
