"""Commands of operators that write straight into the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.embedded import EmbeddedPostgres
from orchestrator.settings import Settings
from orchestrator.store.database import Database, Transaction

STATE = Path(".innkeeper")
"""Where `innkeeper up` keeps its state, unless it was told another directory."""


@contextmanager
def opened() -> Iterator[Database]:
    """The database of INNKEEPER_DATABASE_URL; without it that of `innkeeper up` in this directory, if any."""
    settings = Settings()
    beside = "database_url" not in settings.model_fields_set and (STATE / EmbeddedPostgres.name).exists()
    database = Database(EmbeddedPostgres(STATE).url if beside else settings.database)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def transaction() -> Iterator[Transaction]:
    """One transaction on it. What it rings for is sent by the scheduler, seconds later."""
    with opened() as database, database.transaction() as tx:
        yield tx
