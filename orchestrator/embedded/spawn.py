"""Start of child processes, and the account under which servers run."""

import os
import pwd
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import IO

from orchestrator.errors import ConfigurationError

LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Account:
    """The user and group of a process."""

    uid: int
    gid: int

    @classmethod
    def own(cls) -> "Account":
        return cls(os.geteuid(), os.getegid())

    @classmethod
    def for_servers(cls) -> "Account":
        """Ours; for root the user `nobody`, because PostgreSQL refuses to run as root.

        Raises ConfigurationError where the machine has no such user.
        """
        if os.geteuid() != 0:
            return cls.own()
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            text = "As root the embedded servers run as the user `nobody`, which this machine lacks: add it."
            raise ConfigurationError(text) from None
        return cls(nobody.pw_uid, nobody.pw_gid)

    def can_enter(self, path: Path) -> bool:
        """Whether this account can search the directory, or execute the file, at `path`."""
        if self == Account.own():
            return os.access(path, os.X_OK)
        # The kernel answers for the other user: mode bits alone would miss parents and access lists.
        asked = subprocess.run(
            ["/bin/sh", "-c", 'test -x "$0"', path],
            user=self.uid,
            group=self.gid,
            extra_groups=[],
            check=False,
            cwd="/",
        )
        return asked.returncode == 0


def spawn(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    log: Path,
    on_parent_death: Signals,
    account: Account | None = None,
    cwd: Path | None = None,
    keep_open: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own, with its output appended to `log`.

    On Linux the child gets `on_parent_death` when the *thread* that called this ends: call it from one that
    lives as long as the child should. Elsewhere the child outlives a parent that is killed. The child and its
    own children hold `keep_open` open.
    """
    user = account or Account.own()
    numbers = (os.getpid(), int(on_parent_death), user.uid, user.gid)
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", LAUNCHER, *map(str, numbers), *argv],
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[keep_open.fileno()] if keep_open else [],
        )


def log_file(state_dir: Path, name: str) -> Path:
    """`<state_dir>/logs/<name>.log`, readable by its owner only; the directory is made."""
    directory = state_dir / "logs"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"{name}.log"
    path.touch(mode=0o600)
    return path


def last_lines(log: Path, count: int = 5) -> str:
    """The last `count` lines of `log`, for a person who asks why a process ended."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
