"""Time of the simulation: every wait is scaled, time stamps are not."""

import asyncio
import time
from collections.abc import Callable

SHORTEST_TIMEOUT = 0.05
"""Wall seconds below which a time-out never falls, so that an instant simulation still takes turns."""


class Clock:
    """A clock whose waits last `scale` wall seconds per simulated second; 0 makes every wait instant."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def now(self) -> float:
        """Seconds since the epoch, as PVE writes them into task ids and configs."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Let simulated seconds pass."""
        await asyncio.sleep(seconds * self.scale)

    async def wait(self, event: asyncio.Event, seconds: float, *, at_least: float = 0) -> bool:
        """Wait for an event for so many simulated seconds; has it come? `at_least` is in wall seconds."""
        wall = max(seconds * self.scale, at_least)
        if event.is_set() or not wall:
            await asyncio.sleep(0)
            return event.is_set()
        try:
            async with asyncio.timeout(wall):
                await event.wait()
        except TimeoutError:
            return event.is_set()
        return True

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something after so many simulated seconds."""
        asyncio.get_running_loop().call_later(seconds * self.scale, action)

    def timeout(self, seconds: float) -> float:
        """Wall seconds after which a wait of so many simulated seconds gives up."""
        return max(seconds * self.scale, SHORTEST_TIMEOUT)
