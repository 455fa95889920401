"""One task: its record, and the handle that its worker holds."""

import asyncio
from dataclasses import dataclass, field
from typing import NoReturn

from simulator.clock import Clock
from simulator.errors import PveError
from simulator.tasks.upid import Upid

UNEXPECTED = "unexpected status"
"""What PVE shows for a task that ended without a last line: its worker was killed."""


@dataclass
class Task:
    """What the node's disk keeps of a task."""

    upid: Upid
    log: list[str] = field(default_factory=list)
    exitstatus: str | None = None
    endtime: int | None = None

    @property
    def is_running(self) -> bool:
        return self.exitstatus is None


@dataclass(frozen=True)
class Origin:
    """The call that started a task; faults may be aimed at it."""

    method: str = ""
    path: str = ""


class Interrupted(PveError):
    """The task was asked to end (SIGTERM); its worker cleans up."""

    def __init__(self) -> None:
        super().__init__("interrupted by signal")


class Job:
    """What a worker sees of its task."""

    def __init__(self, task: Task, clock: Clock, origin: Origin) -> None:
        self.task = task
        self.origin = origin
        self.warnings = 0
        self._clock = clock
        self._signal = asyncio.Event()
        self._killed = False

    def log(self, text: str) -> None:
        """Write to the task's log; a text may have several lines."""
        self.task.log += text.split("\n")

    def warn(self, text: str) -> None:
        """A warning: the task will end with `WARNINGS: n`."""
        self.warnings += 1
        self.log(f"WARN: {text}")

    async def sleep(self, seconds: float) -> None:
        """Work for so many simulated seconds; ends early with `Interrupted`."""
        signalled = await self._clock.wait(self._signal, seconds)
        if self._killed:
            self.die()
        if signalled:
            raise Interrupted

    def die(self) -> NoReturn:
        """The worker is gone (SIGKILL): nothing is cleaned up, the log has no last line."""
        raise asyncio.CancelledError

    def kill(self) -> None:
        """Let the worker die at its next step."""
        # A cancellation alone can be swallowed by a time-out that ends in the same instant.
        self._killed = True

    def interrupt(self) -> None:
        """Ask the worker to end."""
        self._signal.set()
