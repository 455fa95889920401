"""One supervised process through its lives."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.embedded.spawn import spawn

FIRST_DELAY = 0.5  # seconds before the first restart; doubles
LONGEST_DELAY = 30.0  # seconds; a process that ran this long starts again with the first delay


@dataclass(frozen=True)
class Child:
    """One process to run. `env` is added to our environment; secrets belong there, never into `argv`."""

    name: str
    argv: Sequence[str | Path]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Death:
    """The end of a child that nobody asked for: exit code (negative: signal), seconds until the restart."""

    name: str
    exit_code: int
    restart_in: float


@dataclass
class Run:
    """A child's present process, or the time of its next one."""

    child: Child
    log: Path
    _process: subprocess.Popen[bytes] | None = None
    _started_at: float = 0.0
    _restart_at: float = 0.0
    _delay: float = FIRST_DELAY

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        self._started_at = time.monotonic()
        self._process = spawn(
            self.child.argv,
            env={**os.environ, **self.child.env},
            log=self.log,
            # Not SIGTERM: nobody is left to end a child that ignores it, and all work survives a kill.
            on_parent_death=signal.SIGKILL,
        )

    def check(self) -> Death | None:
        """The death that was not reported yet, if any; start again when the delay is over."""
        if self._process is None:
            if time.monotonic() >= self._restart_at:
                self.start()
            return None
        if self._process.poll() is None:
            return None
        return self._bury(self._process)

    def _bury(self, process: subprocess.Popen[bytes]) -> Death:
        self.signal_group(signal.SIGKILL)  # what it left running
        now = time.monotonic()
        if now - self._started_at >= LONGEST_DELAY:
            self._delay = FIRST_DELAY
        death = Death(self.child.name, process.returncode, self._delay)
        self._restart_at = now + self._delay
        self._delay = min(self._delay * 2, LONGEST_DELAY)
        self._process = None
        return death

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the process and all that it started."""
        if self._process:
            # The group is empty (macOS: holds only the dead) when all of it ended in good order.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def end(self, deadline: float) -> None:
        """Wait for the process until `deadline` of time.monotonic(), then kill it and what it started."""
        if self._process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, deadline - time.monotonic()))
            self.signal_group(signal.SIGKILL)
            self._process.wait()
            self._process = None
