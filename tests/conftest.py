"""What tests share: real PostgreSQL and Valkey for the session, a fresh database for each test."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from orchestrator.embedded import EmbeddedPostgres, EmbeddedValkey
from orchestrator.store import migrate
from orchestrator.store.database import Database
from tests.seed import Seed, seed_catalog

MEMORY = Path("/dev/shm")
"""Where it exists, the servers of tests live in memory: fresh databases are several times faster there."""


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


@pytest.fixture
def database(postgres: EmbeddedPostgres, migrated: str) -> Iterator[Database]:
    """An empty database with the newest schema."""
    database = Database(postgres.fresh_database(template=migrated), pool_size=5)
    yield database
    database.close()


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
