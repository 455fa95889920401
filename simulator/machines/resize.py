"""Growing a disk."""

from simulator.errors import PveError
from simulator.machines.disks import format_size, out_of_space, parse_size
from simulator.machines.guard import check_lock, hold_vm
from simulator.schema.properties import write_pairs
from simulator.state.conf_file import digest
from simulator.state.nodes import Node
from simulator.state.vms import Vm
from simulator.state.volumes import Store, Volume
from simulator.tasks.task import Job
from simulator.world import World

LARGEST_PREALLOCATED = 64 * 1024**4
"""Above this the metadata of a qcow2 file takes longer than PVE waits."""


async def resize(
    world: World,
    node: Node,
    vmid: int,
    job: Job,
    *,
    disk: str,
    size: str,
    expected: str | None,
    skiplock: bool,
) -> None:
    """The work of `resize`. An absolute size that the disk has already is no change."""
    async with hold_vm(world, node.name, vmid, job):
        vm = world.cluster.vm_on(node.name, vmid)
        if expected is not None and expected != digest(vm):
            raise PveError("checksum mismatch (file change by other user?)")
        check_lock(vm, skip=skiplock)
        drive = vm.drives().get(disk)
        if drive is None:
            raise PveError(f"disk '{disk}' does not exist")
        if drive.get("media") == "cdrom":
            raise PveError("you can't resize a cdrom")
        store, volume = _volume(world, node, drive["file"])
        wanted = volume.size + parse_size(size[1:]) if size.startswith("+") else parse_size(size)
        if wanted < volume.size:
            raise PveError("shrinking disks is not supported")
        if wanted == volume.size:
            return
        await job.sleep(world.timing.allocate)
        _grow(store, volume, wanted, vm, job)
        vm.config[disk] = write_pairs({**drive, "size": format_size(wanted)}, "file")


def _volume(world: World, node: Node, volid: str) -> tuple[Store, Volume]:
    volume = world.cluster.volume(volid, node.name)
    if volume is None:
        raise PveError(f"volume '{volid}' does not exist")
    return world.cluster.store(volid.split(":")[0], node.name), volume


def _grow(store: Store, volume: Volume, wanted: int, vm: Vm, job: Job) -> None:
    storage = store.storage
    device = storage.device(volume.volid)
    command = (
        f"command '/usr/bin/qemu-img resize '--preallocation=metadata' -f {volume.format} {device} {wanted}'"
    )
    if storage.layout.folders and vm.is_template:
        job.log(f"qemu-img: Could not open '{device}': Could not open '{device}': Operation not permitted")
        raise PveError(f"{command} failed: exit code 1")
    if storage.layout.folders and wanted > LARGEST_PREALLOCATED:
        raise PveError(f"{command} failed: got timeout")
    growth = wanted - volume.size
    if storage.layout.reserves and volume.parent is None:
        if growth > store.available:
            raise out_of_space(storage, volume.volid.split(":", 1)[1], wanted)
        volume.used += growth
    volume.size = wanted
    if storage.layout.folders and vm.running is None:
        job.log("Image resized.")
