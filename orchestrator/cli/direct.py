"""Commands of operators that write straight into the database."""

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.settings import Settings
from orchestrator.store.database import Database, Transaction


@contextmanager
def opened() -> Iterator[Database]:
    """The database of INNKEEPER_DATABASE_URL."""
    database = Database(Settings().database)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def transaction() -> Iterator[Transaction]:
    """One transaction on it. What it rings for is sent by the scheduler, seconds later."""
    with opened() as database, database.transaction() as tx:
        yield tx
