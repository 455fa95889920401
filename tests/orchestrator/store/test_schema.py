"""Migrations and the tables agree; transactions send their effects after the commit."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import InternalError

from orchestrator.embedded import EmbeddedPostgres
from orchestrator.errors import ConfigurationError, NotReady
from orchestrator.settings import Settings, read_secret
from orchestrator.store import migrate, schema
from orchestrator.store.database import Database


def test_the_migrations_make_what_the_tables_say(database: Database) -> None:
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_a_new_database_is_not_current_until_it_is_upgraded(postgres: EmbeddedPostgres) -> None:
    database = Database(postgres.fresh_database())
    assert not migrate.is_current(database.engine)
    migrate.upgrade(database.engine)
    migrate.upgrade(database.engine)
    assert migrate.is_current(database.engine)
    database.close()


def test_effects_wait_for_the_commit_and_are_dropped_on_roll_back(database: Database) -> None:
    seen: list[str] = []
    with database.transaction() as tx:
        tx.after_commit(lambda: seen.append("sent"))
        assert seen == []
    assert seen == ["sent"]
    with pytest.raises(InternalError), database.transaction() as tx:  # noqa: PT012
        tx.after_commit(lambda: seen.append("never"))
        tx.execute(text("DO $$ BEGIN RAISE 'no' USING ERRCODE = 'XX000'; END $$"))
    assert seen == ["sent"]


def test_a_database_that_is_away_is_not_ready(postgres: EmbeddedPostgres) -> None:
    away = Database(postgres.database_url("nowhere"))
    with pytest.raises(NotReady):
        away.ping()
    away.close()


def test_a_database_that_answers_is_ready(database: Database) -> None:
    database.ping()
    with database.transaction() as tx:
        assert tx.scalar(text("SHOW timezone")) == "UTC"


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("from-file\n")
    assert read_secret("env:TOKEN", {"TOKEN": "from-env"}) == "from-env"
    assert read_secret(f"file:{path}", {}) == "from-file"
    for source in ("env:TOKEN", "file:/no/such/file", "plain"):
        with pytest.raises(ConfigurationError, match="is not there"):
            read_secret(source, {})


def test_settings_show_no_secret() -> None:
    settings = Settings(database_url=SecretStr("postgresql://u:hunter2@h/d"), _env_file=None)
    assert "hunter2" not in repr(settings)
    assert settings.database.endswith("@h/d")
