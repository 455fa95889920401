from collections.abc import Iterator

import pytest
from sample_catalog import Tenant, apply_text, tenant
from sqlalchemy import text

from orchestrator.embedded import EmbeddedPostgres
from orchestrator.store.base import Base
from orchestrator.store.database import Database

KEPT = "status_transitions"
"""Rows that come with the schema."""


@pytest.fixture(scope="session")
def catalog_database(postgres: EmbeddedPostgres, migrated: str) -> Iterator[Database]:
    """One database for all tests of the catalog: emptying it is faster than making a new one."""
    database = Database(postgres.fresh_database(template=migrated), pool_size=5)
    yield database
    database.close()


@pytest.fixture
def database(catalog_database: Database) -> Database:
    """An empty database with the newest schema."""
    with catalog_database.transaction() as tx:
        tx.execute(text("SET LOCAL session_replication_role = replica"))  # foreign keys are not looked at
        for name in Base.metadata.tables.keys() - {KEPT}:
            tx.execute(text(f"DELETE FROM {name}"))
    return catalog_database


@pytest.fixture
def applied(database: Database) -> Database:
    """A database to which the sample catalog has been applied."""
    apply_text(database)
    return database


@pytest.fixture
def guest(applied: Database) -> Tenant:
    """A user who rents VMs of the sample catalog."""
    return tenant(applied)
