"""Errors that no route answers by itself."""

from psycopg import OperationalError as PsycopgError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from orchestrator.errors import StateConflict
from orchestrator.intake.submit import Intake


def test_an_unknown_path_is_not_found(client):
    answer = client.get("/vm")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found", "code": "not_found"})


def test_a_method_that_is_not_there_is_told_with_those_that_are(client):
    answer = client.put("/vms", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"]


def test_a_fault_of_ours_shows_no_trace(caller, seed, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("the secret inside")

    monkeypatch.setattr(Intake, "submit", broken)
    answer = caller("POST", "/vms", json=seed.body())
    assert answer.status_code == 500
    assert answer.json() == {"detail": "Something went wrong here; it is noted.", "code": "internal_error"}


def test_a_database_that_goes_away_makes_it_not_ready(caller, seed, monkeypatch):
    for away in (
        OperationalError("SELECT 1", {}, PsycopgError("gone")),
        PoolTimeout("no connection is free"),
    ):

        def broken(*_, away=away, **__):
            raise away

        monkeypatch.setattr(Intake, "submit", broken)
        answer = caller("POST", "/vms", json=seed.body())
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")


def test_figures_of_any_name_stand_beside_the_text(caller, seed, monkeypatch):
    def refused(*_, **__):
        raise StateConflict("It is stopping.", facts={"status": "stopping", "code": "mine", "headers": [1]})

    monkeypatch.setattr(Intake, "submit", refused)
    answer = caller("POST", "/vms", json=seed.body())
    assert answer.status_code == 409
    assert answer.json() == {
        "detail": "It is stopping.",
        "code": "state_conflict",
        "status": "stopping",
        "headers": [1],
    }
