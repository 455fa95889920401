"""Turning a VM into a template."""

from simulator.errors import PveError
from simulator.machines.guard import check_lock, hold_vm
from simulator.state.nodes import Node
from simulator.state.vms import Vm
from simulator.tasks.task import Job
from simulator.world import World


def assert_convertible(vm: Vm) -> None:
    """What PVE looks at before it starts a task."""
    check_lock(vm)
    if vm.snapshots:
        raise PveError("unable to create template, because VM contains snapshots")
    if vm.is_template:
        raise PveError("you can't convert a template to a template")
    if vm.running:
        raise PveError("you can't convert a VM to template if VM is running")


async def make_template(world: World, node: Node, vmid: int, job: Job) -> None:
    """The work of `qmtemplate`: disks become base images."""
    async with hold_vm(world, node.name, vmid, job):
        convert(world, world.cluster.vm_on(node.name, vmid))


def convert(world: World, vm: Vm) -> None:
    """Rename the disks to base images and set the flag."""
    for option, drive in vm.drives().items():
        volid = drive["file"]
        volume = world.cluster.volume(volid, vm.node)
        if volume is None or drive.get("media") == "cdrom":
            continue
        storage, name = volid.split(":", 1)
        store = world.cluster.store(storage, vm.node)
        base = f"{storage}:{store.storage.layout.base_name(name)}"
        store.volumes[base] = store.volumes.pop(volid)
        store.volumes[base].volid = base
        vm.config[option] = vm.config[option].replace(volid, base, 1)
    vm.config["template"] = "1"
