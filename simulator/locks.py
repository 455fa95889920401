"""Advisory file locks (flock) of a node: short, held by one process, waited for with a time-out."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from simulator.clock import SHORTEST_TIMEOUT, Clock
from simulator.errors import PveError


@dataclass(eq=False)
class _Waiter:
    shared: bool
    granted: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class _Lock:
    holders: int = 0
    exclusive: bool = False
    queue: deque[_Waiter] = field(default_factory=deque)

    def is_free_for(self, shared: bool) -> bool:
        return self.holders == 0 or (shared and not self.exclusive)

    def take(self, shared: bool) -> None:
        self.holders += 1
        self.exclusive = not shared

    def release(self) -> None:
        """Let go, and hand over to those who wait, in their order."""
        self.holders -= 1
        while self.queue and self.is_free_for(self.queue[0].shared):
            waiter = self.queue.popleft()
            self.take(waiter.shared)
            waiter.granted.set()


def _no_log(_line: str) -> None:
    pass


class FileLocks:
    """The lock files of all nodes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._locks: dict[tuple[str, str], _Lock] = {}

    @asynccontextmanager
    async def hold(
        self,
        node: str,
        path: str,
        seconds: float,
        *,
        shared: bool = False,
        log: Callable[[str], None] = _no_log,
    ) -> AsyncIterator[None]:
        """Hold a lock file; PVE's error when it cannot be had within so many simulated seconds."""
        lock = self._locks.setdefault((node, path), _Lock())
        if lock.is_free_for(shared) and not lock.queue:
            lock.take(shared)
        else:
            log("trying to acquire lock...")
            await self._wait(lock, path, seconds, shared)
            log(" OK")
        try:
            yield
        finally:
            lock.release()

    async def _wait(self, lock: _Lock, path: str, seconds: float, shared: bool) -> None:
        waiter = _Waiter(shared)
        lock.queue.append(waiter)
        try:
            granted = await self._clock.wait(waiter.granted, seconds, at_least=SHORTEST_TIMEOUT)
        except asyncio.CancelledError:
            self._give_up(lock, waiter)
            raise
        if not granted:
            self._give_up(lock, waiter)
            raise PveError(f"can't lock file '{path}' - got timeout")

    @staticmethod
    def _give_up(lock: _Lock, waiter: _Waiter) -> None:
        if waiter.granted.is_set():
            lock.release()
        else:
            lock.queue.remove(waiter)


def config_lock(vmid: int) -> str:
    """The lock file of a VM's configuration."""
    return f"/var/lock/qemu-server/lock-{vmid}.conf"


def storage_lock(storage: str) -> str:
    """The lock file of a local storage."""
    return f"/var/lock/pve-manager/pve-storage-{storage}"
