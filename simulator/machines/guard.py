"""What every change of a VM begins with: its lock file, its configuration, and the lock written in there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from simulator.errors import PveError
from simulator.locks import config_lock
from simulator.state.vms import Vm
from simulator.tasks.task import Job
from simulator.world import World

CONFIG_LOCK_WAIT = 10
"""Simulated seconds that changes of a VM wait for its lock file."""


@asynccontextmanager
async def hold_vm(world: World, node: str, vmid: int, job: Job) -> AsyncIterator[None]:
    """Hold the lock file of a VM for a worker."""
    path = config_lock(vmid)
    if world.strikes("flock_timeout", job, node, vmid):
        job.log("trying to acquire lock...")
        await job.sleep(CONFIG_LOCK_WAIT)
        raise PveError(f"can't lock file '{path}' - got timeout")
    async with world.locks.hold(node, path, CONFIG_LOCK_WAIT, log=job.log):
        yield


def check_lock(vm: Vm, *, skip: bool = False) -> None:
    """Refuse to touch a VM whose configuration carries a lock."""
    if vm.lock and not skip:
        raise PveError(f"VM is locked ({vm.lock})")
