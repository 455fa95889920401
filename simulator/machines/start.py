"""The start of a VM."""

from functools import partial

from simulator.access.directory import ROOT
from simulator.errors import PveError
from simulator.guests import cloudinit
from simulator.machines import foreign, passthrough
from simulator.machines.guard import check_lock, hold_vm
from simulator.machines.pending import apply_pending
from simulator.state.cluster import Cluster
from simulator.state.nodes import Node, PciDevice, Reservation
from simulator.state.vms import GIB, MIB, Running, Vm
from simulator.tasks.task import Job
from simulator.world import World

SLOW_START = 600
FOREIGN_VMID = 900_000_000
"""Where VMs that faults bring in get their VMIDs from."""


async def start(
    world: World, node: Node, vmid: int, job: Job, *, timeout: int | None = None, skiplock: bool = False
) -> None:
    """The work of `qmstart`. The lock file is held until QEMU runs."""
    async with hold_vm(world, node.name, vmid, job):
        vm = world.cluster.vm_on(node.name, vmid)
        if vm.is_template:
            raise PveError("you can't start a vm if it's a template")
        check_lock(vm, skip=skiplock)
        if vm.running:
            raise PveError(f"VM {vmid} already running")
        apply_pending(world, vm)
        prepare(world.cluster, vm, node, job)
        functions = _take_devices(world, vm, node, job)
        try:
            await _run_qemu(world, vm, node, job, functions, timeout)
        except PveError:
            passthrough.release(node, vmid)
            raise


def start_at_boot(world: World, node: Node) -> None:
    """What a node does when it is up: start every VM with `onboot`."""
    for vm in world.cluster.vms_on(node.name):
        if vm.config.get("onboot") == "1" and not vm.is_template:
            world.tasks.start(node, "qmstart", str(vm.vmid), ROOT, partial(start, world, node, vm.vmid))


def prepare(cluster: Cluster, vm: Vm, node: Node, job: Job) -> None:
    """Everything that PVE looks at before it asks for devices."""
    if cloudinit.has_drive(vm):
        for custom in vm.config.get("cicustom", "").split(","):
            snippet = custom.partition("=")[2]
            if snippet and cluster.volume(snippet, node.name) is None:
                raise PveError(f"volume '{snippet}' does not exist")
        job.log("generating cloud-init ISO")
        vm.iso = cloudinit.image_options(vm)
    if vm.vcpus > node.cores:
        raise PveError(f"MAX {node.cores} vcpus allowed per VM on this node")
    for drive in vm.drives().values():
        volid = drive["file"]
        if volid not in ("none", "cdrom") and cluster.volume(volid, node.name) is None:
            raise PveError(f"volume '{volid}' does not exist")
    for card in vm.networks().values():
        if card.get("bridge", "vmbr0") not in node.bridges:
            raise PveError(f"bridge '{card['bridge']}' does not exist")
    passthrough.check_options(vm)


def _take_devices(world: World, vm: Vm, node: Node, job: Job) -> list[PciDevice]:
    if not vm.passthrough():
        return []
    if world.strikes("gpu_missing", job, node.name, vm.vmid):
        passthrough.choose(world.cluster, vm, node, job)[0].missing = True
    functions = passthrough.choose(world.cluster, vm, node, job)
    if world.strikes("gpu_in_use", job, node.name, vm.vmid):
        vmid = FOREIGN_VMID + node.new_pid()
        foreign.make(world, node.name, vmid, running=True, gpus=[functions[0].slot])
    now = world.clock.now()
    expires = now + world.clock.timeout(start_timeout(vm) + 5)
    passthrough.reserve(world.cluster, vm, node, functions, now, expires, job)
    return functions


def start_timeout(vm: Vm) -> int:
    """PVE's default in seconds: by memory, four times that with passthrough, and 5 s per network card."""
    gib = vm.memory_mib * MIB // GIB
    seconds = max(30, gib) if gib > 30 else 30
    return seconds * (4 if vm.passthrough() else 1) + 5 * len(vm.networks())


async def _run_qemu(
    world: World, vm: Vm, node: Node, job: Job, functions: list[PciDevice], timeout: int | None
) -> None:
    if not fits(world.cluster, vm, node):
        job.log("kvm: cannot set up guest memory 'pc.ram': Cannot allocate memory")
        raise PveError("start failed: QEMU exited with code 1")
    if vm.config.get("kvm") == "0" and vm.config.get("cpu") == "host":
        job.log("kvm: CPU model 'host' requires KVM or HVF")
        raise PveError("start failed: QEMU exited with code 1")
    if fault := world.strikes("qemu_exit", job, node.name, vm.vmid):
        job.log(f"kvm: {fault.detail or 'vfio 0000:00:00.0: failed to setup container'}")
        raise PveError("start failed: QEMU exited with code 1")
    if functions and world.strikes("gpu_reset_failed", job, node.name, vm.vmid):
        functions[0].dead = True
    limit = timeout or start_timeout(vm)
    needed = world.timing.start
    if functions:
        needed += world.timing.pin_per_gib * vm.memory_mib / 1024
    if slow := world.strikes("slow_start", job, node.name, vm.vmid):
        needed += slow.seconds or SLOW_START
    for function in functions:
        if function.dead:
            job.log(
                f"failed to reset PCI device '{function.address}', but trying to continue"
                " as not all devices need a reset"
            )
            needed = limit + 1
    if vm.config.get("bios") == "ovmf" and "efidisk0" not in vm.config:
        job.warn("no efidisk configured! Using temporary efivars disk.")
    await job.sleep(min(needed, limit))
    if needed > limit:
        raise PveError(f"start failed: command '/usr/bin/kvm -id {vm.vmid} ...' failed: got timeout")
    power_on(world, vm, node, functions)
    if world.strikes("worker_killed", job, node.name, vm.vmid):
        job.die()


def fits(cluster: Cluster, vm: Vm, node: Node) -> bool:
    """Is there memory for it? Passthrough pins all of a guest's memory; other memory may be overcommitted."""
    if vm.memory_mib * MIB > node.memory:
        return False
    if not vm.passthrough():
        return True
    pinned = sum(
        other.memory_mib for other in cluster.vms_on(node.name) if other.running and other.running.devices
    )
    return (pinned + vm.memory_mib) * MIB <= node.memory


def power_on(world: World, vm: Vm, node: Node, functions: list[PciDevice]) -> None:
    """QEMU runs."""
    taken = {other.running.address for other in world.cluster.vms.values() if other.running}
    address = world.addresses.of(vm, {one for one in taken if one is not None})
    vm.running = Running(
        node.new_pid(), world.clock.now(), address, devices=[function.address for function in functions]
    )
    for function in functions:
        node.reservations[function.address] = Reservation(vm.vmid, vm.running.pid)
    world.guests.power_on(vm)
