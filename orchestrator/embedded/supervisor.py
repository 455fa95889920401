"""The child processes of `innkeeper up`: kept running, and gone when it ends."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from orchestrator.embedded.child import Child, Death, Run
from orchestrator.embedded.spawn import last_lines, log_file
from orchestrator.errors import ConfigurationError

LOOK_EVERY = 0.1  # seconds


class Supervisor:
    """Runs `children` with their output in `<state_dir>/logs/<name>.log` and restarts those that die.

    It has no thread of its own: call start(), wait_ready(), run() and stop() from one thread. `grace` is the
    time in seconds that stop() leaves the children before SIGKILL.
    """

    def __init__(
        self,
        state_dir: Path,
        children: Sequence[Child],
        *,
        on_death: Callable[[Death], None],
        grace: float = 10.0,
    ) -> None:
        self._runs = {child.name: Run(child, log_file(state_dir, child.name)) for child in children}
        self._on_death = on_death
        self._grace = grace

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start all of them, in their order, without waiting for any."""
        for run in self._runs.values():
            run.start()

    def pids(self) -> dict[str, int]:
        """The process ids of those that run now."""
        return {name: run.pid for name, run in self._runs.items() if run.pid}

    def check(self) -> None:
        """Look after each child once: announce its death, start it again when its delay is over."""
        for run in self._runs.values():
            if death := run.check():
                self._on_death(death)

    def run(self, until: threading.Event) -> None:
        """Look after them until the event is set."""
        while not until.wait(LOOK_EVERY):
            self.check()

    def wait_ready(self, name: str, predicate: Callable[[], bool], timeout: float) -> None:
        """Look after them until the predicate holds. Raises ConfigurationError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not predicate():
            if time.monotonic() > deadline:
                log = self._runs[name].log
                raise ConfigurationError(
                    f"{name} was not ready after {timeout:g} s; {log} ends with:\n{last_lines(log)}"
                )
            self.check()
            time.sleep(LOOK_EVERY)

    def stop(self) -> None:
        """End them all: SIGTERM to each group, SIGKILL after the grace, and to what they left behind."""
        for run in self._runs.values():
            run.signal_group(signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        for run in self._runs.values():
            run.end(deadline)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
