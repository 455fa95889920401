"""Changes that wait for the next full stop and start."""

from simulator.machines.disks import Disks
from simulator.schema.vm_options import is_drive
from simulator.state.vms import Vm
from simulator.world import World


def apply_pending(world: World, vm: Vm) -> None:
    """Make pending changes real; only for a VM that does not run."""
    for option in vm.pending_delete:
        remove_option(world, vm, option)
    vm.config |= vm.pending
    vm.pending.clear()
    vm.pending_delete.clear()


def remove_option(world: World, vm: Vm, option: str) -> None:
    """Take an option out. A disk that goes is kept as `unused<n>`; an unused one is freed."""
    value = vm.config.pop(option, None)
    if value is None:
        return
    volid = value.split(",")[0]
    disks = Disks(world, vm.node)
    if option.startswith("unused") or "cloudinit" in volid:
        disks.free(volid)
    elif is_drive(option) and ":" in volid and "media=cdrom" not in value:
        number = next(n for n in range(256) if f"unused{n}" not in vm.config)
        vm.config[f"unused{number}"] = volid
        forget_boot_disk(vm, option)


def forget_boot_disk(vm: Vm, option: str) -> None:
    """Take a disk out of the boot order; an empty order is written as a blank."""
    order = vm.config.get("boot", "").removeprefix("order=")
    if option in order.split(";"):
        rest = [name for name in order.split(";") if name != option]
        vm.config["boot"] = f"order={';'.join(rest)}" if rest else " "
