"""The ways in which a VM stops or starts over."""

from simulator.errors import PveError
from simulator.machines import passthrough
from simulator.machines.guard import check_lock, hold_vm
from simulator.machines.pending import apply_pending
from simulator.state.nodes import Node
from simulator.state.vms import Vm
from simulator.tasks.task import Job
from simulator.world import World

QUIT = 1
"""Simulated seconds of a hard stop."""
DEFAULT_SHUTDOWN_TIMEOUT = 60
NO_ANSWER = "VM quit/powerdown failed - got timeout"


def power_off(world: World, vm: Vm) -> None:
    """QEMU has ended, for whatever reason."""
    world.guests.power_off(vm.vmid)
    vm.running = None
    passthrough.release(world.cluster.nodes[vm.node], vm.vmid)


async def stop(world: World, node: Node, vmid: int, job: Job, *, skiplock: bool = False) -> None:
    """The work of `qmstop`. A VM that does not run is stopped."""
    async with hold_vm(world, node.name, vmid, job):
        vm = world.cluster.vm_on(node.name, vmid)
        if vm.running is None:
            return
        check_lock(vm, skip=skiplock)
        await job.sleep(QUIT)
        power_off(world, vm)
        apply_pending(world, vm)


async def shut_down(
    world: World,
    node: Node,
    vmid: int,
    job: Job,
    *,
    timeout: int | None = None,
    force: bool = False,
    skiplock: bool = False,
) -> None:
    """The work of `qmshutdown`: ask the guest, and with `force` end it when it does not follow."""
    async with hold_vm(world, node.name, vmid, job):
        vm = world.cluster.vm_on(node.name, vmid)
        if vm.running is None:
            return
        check_lock(vm, skip=skiplock)
        limit = DEFAULT_SHUTDOWN_TIMEOUT if timeout is None else timeout
        await _ask_guest(world, vm, job, limit, force=force)
        power_off(world, vm)
        apply_pending(world, vm)


async def _ask_guest(world: World, vm: Vm, job: Job, limit: float, *, force: bool) -> None:
    guest = world.guests.of(vm.vmid)
    if vm.agent_enabled and not (guest and guest.agent_up):
        job.log(
            f"QEMU Guest Agent is not running - VM {vm.vmid} qga command 'guest-ping' failed - got timeout"
        )
    follows = (
        guest is not None
        and (guest.booted or guest.agent_up)
        and vm.running is not None
        and not vm.running.paused
    )
    if world.strikes("ignores_shutdown", job, vm.node, vm.vmid):
        follows = False
    needed = world.timing.shutdown
    await job.sleep(min(needed, limit) if follows else limit)
    if follows and needed <= limit:
        return
    if not force:
        raise PveError(NO_ANSWER)
    job.log("VM quit/powerdown failed - terminating now with SIGTERM")
    await job.sleep(QUIT)


async def reset(world: World, node: Node, vmid: int, job: Job, *, skiplock: bool = False) -> None:
    """The work of `qmreset`: the same QEMU process boots again."""
    async with hold_vm(world, node.name, vmid, job):
        vm = world.cluster.vm_on(node.name, vmid)
        check_lock(vm, skip=skiplock)
        if guest := world.guests.of(vmid):
            guest.reset()


async def pause(world: World, node: Node, vmid: int, job: Job, *, paused: bool, skiplock: bool) -> None:
    """The work of `qmpause` and `qmresume`."""
    async with hold_vm(world, node.name, vmid, job):
        vm = world.cluster.vm_on(node.name, vmid)
        check_lock(vm, skip=skiplock)
        if vm.running:
            vm.running.paused = paused


def assert_running(world: World, node: Node, vmid: int) -> Vm:
    """Some calls look before they start a task."""
    vm = world.cluster.vm_on(node.name, vmid)
    if vm.running is None:
        raise PveError(f"VM {vmid} not running")
    return vm
