"""Snapshots: names for a VM's past. Disks keep no old content; sizes and configuration come back."""

from simulator.errors import PveError
from simulator.machines.disks import parse_size
from simulator.machines.guard import check_lock, hold_vm
from simulator.state.nodes import Node
from simulator.state.vms import Snapshot, Vm
from simulator.tasks.task import Job
from simulator.world import World


def existing(vm: Vm, name: str) -> Snapshot:
    """A snapshot; PVE's error when there is none of that name."""
    if name not in vm.snapshots:
        raise PveError(f"snapshot '{name}' does not exist")
    return vm.snapshots[name]


async def take(world: World, node: Node, vmid: int, name: str, description: str, job: Job) -> None:
    """The work of `qmsnapshot`."""
    async with hold_vm(world, node.name, vmid, job):
        vm = world.cluster.vm_on(node.name, vmid)
        check_lock(vm)
        if name in vm.snapshots:
            raise PveError(f"snapshot name '{name}' already used")
        await job.sleep(world.timing.allocate)
        for option, drive in vm.drives().items():
            if drive.get("media") != "cdrom":
                job.log(f"snapshotting 'drive-{option}' ({drive['file']})")
        created = int(world.clock.now())
        vm.snapshots[name] = Snapshot(dict(vm.config), created, vm.current_snapshot, description)
        vm.current_snapshot = name


async def roll_back(world: World, node: Node, vmid: int, name: str, job: Job) -> None:
    """The work of `qmrollback`."""
    async with hold_vm(world, node.name, vmid, job):
        vm = world.cluster.vm_on(node.name, vmid)
        snapshot = existing(vm, name)
        check_lock(vm)
        await job.sleep(world.timing.allocate)
        vm.config = dict(snapshot.config)
        vm.current_snapshot = name
        for drive in vm.drives().values():
            volume = world.cluster.volume(drive["file"], node.name)
            if volume is not None and "size" in drive:
                volume.size = parse_size(drive["size"])


async def remove(world: World, node: Node, vmid: int, name: str, job: Job) -> None:
    """The work of `qmdelsnapshot`; snapshots that followed get its parent."""
    async with hold_vm(world, node.name, vmid, job):
        vm = world.cluster.vm_on(node.name, vmid)
        gone = existing(vm, name)
        check_lock(vm)
        await job.sleep(world.timing.allocate)
        del vm.snapshots[name]
        for snapshot in vm.snapshots.values():
            if snapshot.parent == name:
                snapshot.parent = gone.parent
        if vm.current_snapshot == name:
            vm.current_snapshot = gone.parent
