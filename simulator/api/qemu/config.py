"""The configuration of a VM."""

from typing import Any

from simulator.api.call import Call, Endpoint
from simulator.api.qemu.common import VM, any_vm_rule, skips_lock, vm_rule
from simulator.api.qemu.permissions import CONFIG_PRIVILEGES, check_option
from simulator.errors import PveError, bad_parameters
from simulator.guests.cloudinit import keys_of
from simulator.guests.keys import is_public_key
from simulator.locks import config_lock
from simulator.machines.guard import CONFIG_LOCK_WAIT, hold_vm
from simulator.machines.update import Change, apply, check_before
from simulator.schema import formats
from simulator.schema.formats import split_tags
from simulator.schema.parameters import boolean, integer, text
from simulator.schema.vm_options import OPTION_BY_NAME, OPTION_PARAMETERS, shown
from simulator.state.conf_file import digest
from simulator.state.vms import Vm
from simulator.tasks.task import Job

MASK = "**********"
CONTROL = frozenset(
    {
        "node",
        "vmid",
        "delete",
        "revert",
        "digest",
        "skiplock",
        "force",
        "background_delay",
        "import-working-storage",
    }
)
"""Parameters that are not options of the VM."""


def visible(option: str, value: str) -> str | int:
    """An option as callers see it."""
    return MASK if option == "cipassword" else shown(option, value)


def _read(call: Call) -> dict[str, Any]:
    vm = call.vm
    if "snapshot" in call.args:
        name = call.args["snapshot"]
        if name not in vm.snapshots:
            raise PveError(f"snapshot '{name}' does not exist")
        config = vm.snapshots[name].config
    else:
        config = vm.config if call.args.get("current") else vm.merged_config()
    answer: dict[str, Any] = {option: visible(option, value) for option, value in config.items()}
    if vm.current_snapshot:
        answer["parent"] = vm.current_snapshot
    return {**answer, "digest": digest(vm)}


def _pending(call: Call) -> list[dict[str, Any]]:
    vm = call.vm
    lines: list[dict[str, Any]] = []
    for option in sorted({*vm.config, *vm.pending}):
        line: dict[str, Any] = {"key": option}
        if option in vm.config:
            line["value"] = visible(option, vm.config[option])
        if option in vm.pending:
            line["pending"] = visible(option, vm.pending[option])
        if option in vm.pending_delete:
            line["delete"] = 1
        lines.append(line)
    return [*lines, {"key": "digest", "value": digest(vm)}]


def read_change(call: Call) -> Change:
    """The change that a request asks for, checked as far as it can be without the VM."""
    values = {name: value for name, value in call.written.items() if name not in CONTROL}
    delete = tuple(split_tags(call.args.get("delete", "")))
    revert = tuple(split_tags(call.args.get("revert", "")))
    skiplock = skips_lock(call)
    check_keys(values)
    check_hookscript(values)
    if not values and not delete and not revert:
        raise PveError("no options specified")
    for option in delete:
        if option in values:
            raise bad_parameters(
                {"delete": f"you can't use '-{option}' and -delete {option}' at the same time"}
            )
        if option not in OPTION_BY_NAME:
            raise bad_parameters({"delete": f"unknown option '{option}'"})
    for option in revert:
        if option not in OPTION_BY_NAME:
            raise bad_parameters({"revert": f"unknown option '{option}'"})
    return Change(values, delete, revert, call.args.get("digest"), skiplock)


def check_keys(values: dict[str, str]) -> None:
    """Every line of `sshkeys` has to be a public key."""
    if "sshkeys" in values and not all(is_public_key(line) for line in keys_of(values)):
        raise PveError("SSH public key validation error")


def check_hookscript(values: dict[str, str]) -> None:
    """A hook script has to be there; the simulator has none."""
    if "hookscript" in values:
        raise bad_parameters({"hookscript": f"script '{values['hookscript']}' does not exist\n"})


def _check_permissions(call: Call, vm: Vm, change: Change) -> None:
    for option in (*change.delete, *change.values):
        old = (vm.config[option],) if option in vm.config else ()
        new = (change.values[option],) if option in change.values else ()
        check_option(call.who, call.rights, vm.vmid, option, _compared(option, old, new))


def _compared(option: str, old: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    # Only passthrough is judged by what it replaces as well.
    return old + new if option.startswith("hostpci") or not new else new


async def _update(call: Call) -> None:
    change = read_change(call)
    vm = call.vm
    _check_permissions(call, vm, change)
    check_before(vm, change)
    async with call.world.locks.hold(call.node.name, config_lock(vm.vmid), CONFIG_LOCK_WAIT):
        vm = call.vm
        check_before(vm, change)
        apply(call.world, vm, change)


def _update_in_task(call: Call) -> str:
    change = read_change(call)
    vm = call.vm
    _check_permissions(call, vm, change)
    check_before(vm, change)
    node, vmid = call.node.name, vm.vmid

    async def work(job: Job) -> None:
        job.log(f"update VM {vmid}: {change.describe()}")
        async with hold_vm(call.world, node, vmid, job):
            present = call.world.cluster.vm_on(node, vmid)
            check_before(present, change)
            for line in apply(call.world, present, change):
                job.log(line)

    return call.start_task("qmconfig", vmid, work)


CHANGES = {
    **OPTION_PARAMETERS,
    "delete": text(formats.config_id_list),
    "revert": text(formats.config_id_list),
    "digest": text(max_length=40),
    "force": boolean(requires="delete"),
    "skiplock": boolean(),
}

ENDPOINTS = (
    Endpoint(
        "GET",
        f"{VM}/config",
        _read,
        {"current": boolean(), "snapshot": text(formats.config_id, max_length=40)},
        vm_rule("VM.Audit"),
    ),
    Endpoint("GET", f"{VM}/pending", _pending, {}, vm_rule("VM.Audit")),
    Endpoint("PUT", f"{VM}/config", _update, CHANGES, any_vm_rule(*CONFIG_PRIVILEGES)),
    Endpoint(
        "POST",
        f"{VM}/config",
        _update_in_task,
        {**CHANGES, "background_delay": integer(1, 30), "import-working-storage": text(formats.storage_id)},
        any_vm_rule(*CONFIG_PRIVILEGES),
    ),
)
