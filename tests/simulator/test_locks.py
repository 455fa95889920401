"""The lock files of a node."""

import asyncio

import pytest

from simulator.clock import Clock
from simulator.errors import PveError
from simulator.locks import FileLocks

PATH = "/var/lock/x"


async def _hold(locks: FileLocks, seconds: float, log: list[str], *, shared: bool = False) -> None:
    async with locks.hold("n", PATH, 10, shared=shared, log=log.append):
        log.append("in")
        await asyncio.sleep(seconds)
    log.append("out")


def test_holders_take_turns_in_their_order() -> None:
    async def play() -> list[list[str]]:
        locks, logs = FileLocks(Clock(1)), [[], [], []]  # type: ignore[var-annotated]
        await asyncio.gather(*(_hold(locks, 0.01, log) for log in logs))
        return logs

    first, second, third = asyncio.run(play())
    assert first == ["in", "out"]
    assert second == third == ["trying to acquire lock...", " OK", "in", "out"]


def test_shared_holders_do_not_wait_for_each_other_but_for_an_exclusive_one() -> None:
    async def play() -> list[str]:
        locks, log = FileLocks(Clock(1)), []  # type: ignore[var-annotated]
        await asyncio.gather(
            _hold(locks, 0.02, log, shared=True), _hold(locks, 0.02, log, shared=True), _hold(locks, 0, log)
        )
        return log

    assert asyncio.run(play()) == ["in", "in", "trying to acquire lock...", "out", "out", " OK", "in", "out"]


def test_who_waits_too_long_gives_up_and_does_not_block_the_next() -> None:
    async def play() -> list[str]:
        locks, log = FileLocks(Clock(0.005)), []  # type: ignore[var-annotated]
        holder = asyncio.create_task(_hold(locks, 0.1, log))
        await asyncio.sleep(0)
        with pytest.raises(PveError, match="can't lock file '/var/lock/x' - got timeout"):
            await _hold(locks, 0, [])
        await holder
        await _hold(locks, 0, log)
        return log

    assert asyncio.run(play()) == ["in", "out", "in", "out"]


def test_a_waiter_that_is_killed_leaves_the_queue() -> None:
    async def play() -> list[str]:
        locks, log = FileLocks(Clock(1)), []  # type: ignore[var-annotated]
        holder = asyncio.create_task(_hold(locks, 0.02, log))
        await asyncio.sleep(0)
        waiter = asyncio.create_task(_hold(locks, 0, []))
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.gather(holder, _hold(locks, 0, log))
        return log

    assert asyncio.run(play())[-2:] == ["in", "out"]
