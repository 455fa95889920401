"""`innkeeper duties`: what the scheduler did last."""

import json

import pytest
from typer.testing import CliRunner

from orchestrator.cli import main
from orchestrator.scheduler.duties import run_duty
from orchestrator.store.database import Database, Transaction


@pytest.fixture
def run_both(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A duty that ran and one that failed."""

    def fail(_: Transaction) -> str:
        raise LookupError("[nobody] is there")

    run_duty(database, "wake", lambda _: "3 operations rung for")
    run_duty(database, "reservations", fail)
    url = database.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("INNKEEPER_DATABASE_URL", url)


def test_for_scripts(run_both: None) -> None:
    failed, ran = json.loads(CliRunner().invoke(main.app, ["duties", "--json"]).output)
    assert (ran["duty"], ran["runs"], ran["failures"], ran["last_error"]) == ("wake", 1, 0, None)
    assert ran["last_failed_at"] is None
    assert ran["last_result"] == "3 operations rung for"
    assert failed["last_error"] == "LookupError: [nobody] is there"
    assert failed["last_failed_at"] >= failed["last_started_at"]


def test_for_people(run_both: None) -> None:
    shown = CliRunner().invoke(main.app, ["duties"]).output
    assert "3 operations rung for" in shown
    assert "LookupError: [nobody] is there" in shown
