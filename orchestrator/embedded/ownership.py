"""One owner for each server's home, and no server without an owner.

Two locks, which the kernel drops however their holders end. `owner.lock` is ours. `server.lock` is the
server's: all its processes inherit the open file, so it is free exactly when the last of them is gone, and
while it is taken the number in `pid` is not another process's.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL, Signals
from typing import IO

from orchestrator.errors import ConfigurationError

STOP_TIMEOUT = 30.0  # seconds for a clean stop, and again for a forced one


class Ownership:
    """The claim of this process on `home`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._pid_file = home / "pid"
        self._lock: IO[bytes] | None = None

    def take(self) -> None:
        """Claim the home. Raises ConfigurationError if another process has it."""
        self._lock = self._lock or _locked(self._home / "owner.lock")
        if not self._lock:
            raise ConfigurationError(
                f"{self._home} is in use by another Innkeeper: stop it, or take another state directory."
            )

    def release(self) -> None:
        """Give the home up after the server's end; harmless without a claim."""
        if self._lock:
            self._lock.close()
            self._lock = None

    @contextlib.contextmanager
    def server_lock(self) -> Iterator[IO[bytes]]:
        """The lock to be handed to a new server; call stop_predecessor() before."""
        self._pid_file.unlink(missing_ok=True)
        lock = _locked(self._home / "server.lock")
        if not lock:
            raise ConfigurationError(f"A server over {self._home} does not end: stop it.")
        with lock:
            yield lock

    def note_server(self, pid: int) -> None:
        """Remember the server for the case that we are killed before it."""
        self._pid_file.write_text(str(pid))

    def stop_predecessor(self, stop_signal: Signals) -> None:
        """End the server that outlived its owner, or the rest of a killed one; return when all is gone."""
        for number in (stop_signal, SIGKILL):
            if self._server_is_gone():
                return
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                os.kill(int(self._pid_file.read_text()), number)
            deadline = time.monotonic() + STOP_TIMEOUT
            while time.monotonic() < deadline and not self._server_is_gone():
                time.sleep(0.02)

    def _server_is_gone(self) -> bool:
        lock = _locked(self._home / "server.lock")
        if lock:
            lock.close()
        return lock is not None


def _locked(path: Path) -> IO[bytes] | None:
    """The file with its lock; None if somebody else holds that."""
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
