"""The end of a VM."""

from simulator.errors import PveError
from simulator.machines.disks import Disks
from simulator.machines.guard import check_lock, hold_vm
from simulator.state.nodes import Node
from simulator.state.vms import Vm
from simulator.tasks.task import Job
from simulator.world import World


def assert_destroyable(vm: Vm) -> None:
    """What PVE looks at before it starts a task."""
    if vm.config.get("protection") == "1":
        raise PveError(f"can't remove VM {vm.vmid} - protection mode enabled")
    if vm.running:
        raise PveError(f"VM {vm.vmid} is running - destroy failed")


async def destroy(
    world: World, node: Node, vmid: int, job: Job, *, purge: bool, unreferenced: bool, skiplock: bool
) -> None:
    """The work of `qmdestroy`. A volume that cannot be freed is only a warning."""
    async with hold_vm(world, node.name, vmid, job):
        vm = world.cluster.vm_on(node.name, vmid)
        check_lock(vm, skip=skiplock)
        assert_destroyable(vm)
        world.cluster.assert_quorum()
        disks = Disks(world, node.name)
        volids = [drive["file"] for drive in vm.drives().values()]
        volids += [value for option, value in vm.config.items() if option.startswith("unused")]
        for volid in volids:
            if ":" in volid and disks.linked_clones(volid):
                raise PveError(f"base volume '{volid}' is still in use by linked cloned")
        vm.config = {"lock": "destroyed"}
        await job.sleep(world.timing.allocate)
        if world.strikes("worker_killed", job, node.name, vmid):
            job.die()
        _free(world, node, vmid, job, disks, volids)
        if unreferenced:
            _free_unreferenced(world, node, vmid, disks)
        if purge:
            job.log(f"purging VM {vmid} from related configurations..")
        _forget(world, vmid)


def _free(world: World, node: Node, vmid: int, job: Job, disks: Disks, volids: list[str]) -> None:
    leaked = world.strikes("disk_leaked", job, node.name, vmid)
    for volid in volids:
        if leaked and "cloudinit" not in volid:
            job.warn(f"Could not remove disk '{volid}', check manually: volume is busy")
            leaked = None
        elif ":" in volid and world.cluster.volume(volid, node.name):
            disks.free(volid)


def _free_unreferenced(world: World, node: Node, vmid: int, disks: Disks) -> None:
    for storage in world.cluster.storages.values():
        if storage.disabled:
            continue
        for volume in disks.store(storage.name).of_vm(vmid):
            disks.free(volume.volid)


def _forget(world: World, vmid: int) -> None:
    world.cluster.vms.pop(vmid, None)
    for pool in world.cluster.pools.values():
        pool.vms.discard(vmid)
    directory = world.cluster.directory
    directory.entries = [entry for entry in directory.entries if entry.path != f"/vms/{vmid}"]
