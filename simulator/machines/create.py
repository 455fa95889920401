"""New VMs, empty or from an image."""

from simulator.errors import PveError
from simulator.machines.disks import PROGRESS_STEPS, Disks, allocation, formatting, progress
from simulator.machines.guard import hold_vm
from simulator.machines.update import Change, apply
from simulator.schema.properties import parse_pairs
from simulator.schema.vm_options import is_drive
from simulator.state.nodes import Node
from simulator.state.vms import MIB, Vm
from simulator.tasks.task import Job
from simulator.world import World

QEMU = "10.0.13"


def assert_unused(world: World, vmid: int) -> None:
    """No VM in the whole cluster has this VMID."""
    taken = world.cluster.vms.get(vmid)
    if taken is not None:
        raise PveError(f"unable to create VM {vmid} - VM {vmid} already exists on node '{taken.node}'")


async def create(
    world: World, node: Node, vmid: int, values: dict[str, str], pool: str | None, job: Job
) -> None:
    """The work of `qmcreate`."""
    async with hold_vm(world, node.name, vmid, job):
        assert_unused(world, vmid)
        world.cluster.assert_quorum()
        vm = Vm(vmid, node.name, {"lock": "create"})
        world.cluster.vms[vmid] = vm
        try:
            await _fill(world, vm, values, job)
        except PveError as error:
            for volume_owner in world.cluster.storages:
                for volume in Disks(world, node.name).store(volume_owner).of_vm(vmid):
                    Disks(world, node.name).free(volume.volid)
            del world.cluster.vms[vmid]
            raise PveError(f"unable to create VM {vmid} - {error}") from error
        if pool:
            world.cluster.pools[pool].vms.add(vmid)


async def _fill(world: World, vm: Vm, values: dict[str, str], job: Job) -> None:
    plain = {option: value for option, value in values.items() if not _imports(option, value)}
    for line in apply(world, vm, Change(plain)):
        job.log(line)
    for option, value in values.items():
        if _imports(option, value):
            await _import(world, vm, option, value, job)
    vm.config.pop("lock", None)
    vm.config.setdefault("boot", _boot_order(vm))
    vm.config.setdefault("smbios1", f"uuid={world.new_uuid()}")
    vm.config.setdefault("vmgenid", world.new_uuid())
    vm.config["meta"] = f"creation-qemu={QEMU},ctime={int(world.clock.now())}"


def _imports(option: str, value: str) -> bool:
    return is_drive(option) and "import-from" in parse_pairs(value, "file")


async def _import(world: World, vm: Vm, option: str, value: str, job: Job) -> None:
    drive = parse_pairs(value, "file")
    path = drive.pop("import-from")
    if path not in world.cluster.files:
        raise PveError(f"can't find file '{path}'")
    size = world.cluster.files[path]
    request = allocation(drive["file"])
    storage = request[0] if request else drive["file"].split(":")[0]
    disks = Disks(world, vm.node)
    layout = disks.store(storage).storage.layout
    image_format = drive.get("format", layout.formats[0])
    await disks.allocate_under_lock(storage, job)
    volume = disks.create(storage, vm.vmid, "", size, image_format, full=size // 3)
    for line in formatting(disks.store(storage).storage, volume):
        job.log(line)
    for step in range(PROGRESS_STEPS + 1):
        job.log(progress(step / PROGRESS_STEPS, size))
        await job.sleep(size / MIB / world.timing.copy_mib_per_second / PROGRESS_STEPS)
    vm.config[option] = disks.describe(volume, drive)
    job.log(f"{option}: successfully created disk '{vm.config[option]}'")


def _boot_order(vm: Vm) -> str:
    disks = [option for option, drive in vm.drives().items() if drive.get("media") != "cdrom"]
    bootable = [option for option in disks if not option.startswith(("efidisk", "tpmstate"))]
    names = [*bootable[:1], *list(vm.networks())[:1]]
    return f"order={';'.join(names)}" if names else " "
