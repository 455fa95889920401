"""What tests share: real PostgreSQL and Valkey for the session, a fresh database for each test."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import Engine, create_engine, text

from orchestrator.embedded import EmbeddedPostgres, EmbeddedValkey
from orchestrator.store import migrate
from orchestrator.store.database import Database
from tests.seed import Seed, seed_catalog

MEMORY = Path("/dev/shm")
"""Where it exists, the servers of tests live in memory: fresh databases are several times faster there."""


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: the end-to-end tests mostly wait for other processes."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def server_dir() -> Iterator[Path]:
    """Where the session's servers keep their data."""
    with TemporaryDirectory(prefix="innkeeper-", dir=MEMORY if MEMORY.is_dir() else None) as path:
        Path(path).chmod(0o755)  # else the servers' account cannot enter, and their homes go to the disk
        yield Path(path)


@pytest.fixture(scope="session")
def postgres(server_dir: Path) -> Iterator[EmbeddedPostgres]:
    """One server for the session; nothing needs to survive a crash of the machine."""
    server = EmbeddedPostgres(server_dir, fsync=False)
    with server:
        yield server
    server.remove()


@pytest.fixture(scope="session")
def migrated(postgres: EmbeddedPostgres) -> str:
    """Name of a database with the newest schema and nothing in it: the template of all others."""
    name = "migrated"
    database = Database(postgres.create_database(name))
    migrate.upgrade(database.engine)
    database.close()
    return name


@pytest.fixture(scope="session")
def maintenance(postgres: EmbeddedPostgres) -> Iterator[Engine]:
    """For what is done outside of transactions."""
    engine = create_engine(postgres.database_url("postgres"), isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@pytest.fixture
def database(postgres: EmbeddedPostgres, migrated: str, maintenance: Engine) -> Iterator[Database]:
    """An empty database with the newest schema; dropped again, as all together would fill the memory."""
    database = Database(postgres.fresh_database(template=migrated), pool_size=5)
    yield database
    database.close()
    with maintenance.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{database.engine.url.database}" WITH (FORCE)'))


@pytest.fixture
def seed(database: Database) -> Seed:
    """A small catalog in the database: nodes vm01 and vm02 with 8 GPUs each, and a user with an SSH key."""
    return seed_catalog(database)


@pytest.fixture(scope="session")
def valkey(server_dir: Path) -> Iterator[EmbeddedValkey]:
    """One broker for the session."""
    server = EmbeddedValkey(server_dir, persist=False)
    with server:
        yield server
    server.remove()
