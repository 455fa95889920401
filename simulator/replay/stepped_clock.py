"""A clock that stands still until it is told to go on, so that a replay is the same on any machine."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

from simulator.clock import Clock

TURNS = 6
"""Turns of the event loop that everybody gets to react before time goes on."""


class SteppedClock(Clock):
    """Simulated time passes only in `advance`."""

    def __init__(self) -> None:
        super().__init__(scale=1)
        self._time = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, Callable[[], object]]] = []

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._timers, (self._time + seconds, next(self._order), action))

    async def sleep(self, seconds: float) -> None:
        await self.wait(asyncio.Event(), seconds)

    async def wait(self, event: asyncio.Event, seconds: float, *, at_least: float = 0) -> bool:
        if event.is_set() or seconds <= 0:
            await asyncio.sleep(0)
            return event.is_set()
        over = asyncio.Event()
        self.later(seconds, over.set)
        waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(over.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return event.is_set()

    async def advance(self, seconds: float) -> None:
        """Let so many simulated seconds pass, event by event."""
        end = self._time + seconds
        await _turns()
        while self._timers and self._timers[0][0] <= end:
            self._time, _, action = heapq.heappop(self._timers)
            action()
            await _turns()
        self._time = end


async def _turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)
