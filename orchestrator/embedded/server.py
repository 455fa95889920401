"""What the embedded servers have in common: start, stop, crash, removal."""

import os
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from signal import Signals
from typing import ClassVar, Self

from orchestrator.embedded.home import Home
from orchestrator.embedded.ownership import STOP_TIMEOUT, Ownership
from orchestrator.embedded.spawn import Account, last_lines, log_file, spawn
from orchestrator.errors import ConfigurationError

START_TIMEOUT = 60.0  # seconds; recovery after a crash included
# Nothing of ours: it may hold secrets, or a locale that the server does not know.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class Server(ABC):
    """One server process over one state directory, for one owner at a time.

    Use it as a context manager, or call start() and stop(). On Linux the server stops when the thread that
    started it ends, however that happens.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[Signals]  # a clean and quick stop

    def __init__(self, state_dir: Path, *, port: int | None) -> None:
        self.state_dir = state_dir.absolute()
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    @cached_property
    def home(self) -> Home:
        return Home.prepare(self.state_dir, self.name, Account.for_servers())

    @cached_property
    def log(self) -> Path:
        return log_file(self.state_dir, self.name)

    @cached_property
    def _ownership(self) -> Ownership:
        return Ownership(self.home.path)

    @property
    @abstractmethod
    def socket_path(self) -> Path:
        """The unix socket."""

    @abstractmethod
    def _command(self) -> list[str | Path]:
        """The program and its arguments, after making what it needs on disk."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server accepts our password and serves."""

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Return when the server answers. A server left over by a killed owner is stopped first.

        Raises ConfigurationError: another process owns the state directory, or the server does not come up.
        """
        if self.pid:
            return
        self._ownership.take()
        try:
            self._ownership.stop_predecessor(self.stop_signal)
            self._come_up()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it cleanly, by force after 30 s; the data stay. Harmless when it does not run."""
        if self._process:
            self._process.send_signal(self.stop_signal)
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()
            if not self.socket_path.is_relative_to(self.home.path):
                shutil.rmtree(self.socket_path.parent, ignore_errors=True)
        self._process = None
        self._ownership.release()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    def remove(self) -> None:
        """Stop it and delete its data, also where they lie outside of the state directory."""
        self.stop()
        shutil.rmtree(self.home.path)
        link = self.state_dir / self.name
        if link.is_symlink():
            link.unlink()
        del self.home, self._ownership

    def _come_up(self) -> None:
        self.home.make_private(self.socket_path.parent)
        command = self._command()
        self._launch(command)
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            if not self.pid or time.monotonic() > deadline:
                raise ConfigurationError(
                    f"The embedded {self.name} did not start; {self.log} ends with:\n{last_lines(self.log)}"
                )
            time.sleep(0.01)

    def _launch(self, command: list[str | Path]) -> None:
        with self._ownership.server_lock() as lock:
            self._process = spawn(
                command,
                env=ENVIRONMENT,
                log=self.log,
                on_parent_death=self.stop_signal,
                account=self.home.account,
                cwd=Path("/"),
                keep_open=lock,
            )
            self._ownership.note_server(self._process.pid)
