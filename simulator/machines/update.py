"""Changes of a VM's configuration: at once where possible, otherwise pending."""

from dataclasses import dataclass, field

from simulator.errors import PveError, bad_parameters
from simulator.guests import passwords
from simulator.machines.disks import Disks, allocation, formatting, new_drive
from simulator.machines.guard import check_lock
from simulator.machines.networks import network_text
from simulator.machines.pending import remove_option
from simulator.schema.drives import NET
from simulator.schema.formats import split_tags
from simulator.schema.properties import parse_pairs
from simulator.schema.vm_options import OPTION_BY_NAME, is_drive
from simulator.state.conf_file import digest
from simulator.state.vms import Vm
from simulator.world import World

NO_BRIDGE = (
    "hotplug problem - VM {vmid} qmp command 'netdev_add' failed - network script"
    " /usr/libexec/qemu-server/pve-bridge-hotplug failed with status 512\n"
)


@dataclass(frozen=True)
class Change:
    """What is to change. `values` are as written in the request, already checked."""

    values: dict[str, str] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    revert: tuple[str, ...] = ()
    expected_digest: str | None = None
    skiplock: bool = False

    def describe(self) -> str:
        """The options as the task log shows them."""
        shown = {name: "<hidden>" if name == "cipassword" else value for name, value in self.values.items()}
        parts = [f"-{name} {value}" for name, value in sorted(shown.items())]
        parts += [f"-delete {','.join(self.delete)}"] if self.delete else []
        return " ".join(parts)


def check_before(vm: Vm, change: Change) -> None:
    """PVE looks at digest and lock before it waits for the lock file, and once more with it."""
    if change.expected_digest and change.expected_digest != digest(vm):
        raise PveError("checksum mismatch (file change by other user?)")
    check_lock(vm, skip=change.skiplock)


def apply(world: World, vm: Vm, change: Change) -> list[str]:
    """Make the change; returns what the task log says about new disks."""
    world.cluster.assert_quorum()
    for option in change.revert:
        vm.pending.pop(option, None)
        if option in vm.pending_delete:
            vm.pending_delete.remove(option)
    for option in change.delete:
        _delete(world, vm, option)
    lines: list[str] = []
    for option, value in change.values.items():
        lines += _set(world, vm, option, value)
    return lines


def _is_live(vm: Vm, option: str) -> bool:
    return vm.running is None or OPTION_BY_NAME[option].live


def _delete(world: World, vm: Vm, option: str) -> None:
    vm.pending.pop(option, None)
    if _is_live(vm, option):
        remove_option(world, vm, option)
    elif option in vm.config and option not in vm.pending_delete:
        vm.pending_delete.append(option)


def _set(world: World, vm: Vm, option: str, value: str) -> list[str]:
    text, lines = _normal_form(world, vm, option, value)
    if option in vm.pending_delete:
        vm.pending_delete.remove(option)
    if not _is_live(vm, option):
        vm.pending[option] = text
        if vm.config.get(option) == text:
            del vm.pending[option]
        return lines
    if vm.running and option.startswith("net") and option not in vm.config:
        _plug_network(world, vm, option, text)
    if is_drive(option) and option in vm.config and vm.config[option] != text:
        _replace_drive(world, vm, option, text)
    vm.pending.pop(option, None)
    vm.config[option] = text
    if is_drive(option):
        _forget_unused(vm, text.split(",")[0])
    return lines


def _plug_network(world: World, vm: Vm, option: str, text: str) -> None:
    bridge = parse_pairs(text).get("bridge", "vmbr0")
    if bridge not in world.cluster.nodes[vm.node].bridges:
        vm.pending[option] = text
        raise bad_parameters({option: NO_BRIDGE.format(vmid=vm.vmid)})


def _replace_drive(world: World, vm: Vm, option: str, text: str) -> None:
    """Another image in a disk's place: the old one becomes unused."""
    if text.split(",")[0] != vm.config[option].split(",")[0]:
        boot = vm.config.get("boot")
        remove_option(world, vm, option)
        if boot is not None:
            vm.config["boot"] = boot


def _forget_unused(vm: Vm, volid: str) -> None:
    for unused in [name for name, value in vm.config.items() if name.startswith("unused") and value == volid]:
        del vm.config[unused]


def _normal_form(world: World, vm: Vm, option: str, value: str) -> tuple[str, list[str]]:
    """The value as the file will have it, and lines for the log."""
    if option == "cipassword":
        return passwords.stored(value), []
    if option == "tags":
        return ";".join(sorted({tag.lower() for tag in split_tags(value)})) or " ", []
    if option == "vmgenid" and value == "1":
        return world.new_uuid(), []
    if option.startswith("net") and option[3:].isdigit():
        return network_text(world, NET.parse(value)), []
    if is_drive(option):
        return _drive_text(world, vm, option, value)
    return value or " ", []


def _drive_text(world: World, vm: Vm, option: str, value: str) -> tuple[str, list[str]]:
    drive = parse_pairs(value, "file")
    volid = drive["file"]
    if volid in ("none", "cdrom"):
        return value, []
    disks = Disks(world, vm.node)
    if allocation(volid):
        text = new_drive(disks, vm, option, drive)
        created = world.cluster.volume(text.split(",")[0], vm.node)
        lines = formatting(world.cluster.storage(text.split(":")[0]), created) if created else []
        return text, [*lines, f"{option}: successfully created disk '{text}'"]
    assert_volume_name(world, volid)
    known = world.cluster.volume(volid, vm.node)
    if known is None:
        raise PveError(f"volume '{volid}' does not exist")
    return disks.describe(known, drive), []


def assert_volume_name(world: World, volid: str) -> None:
    """A volume's name has to fit its storage."""
    storage, _, name = volid.partition(":")
    definition = world.cluster.storage(storage)
    if definition.layout.folders and not name.split("/")[0].isdigit() and "/" in name:
        raise PveError(f"unable to parse directory volume name '{name}'")
