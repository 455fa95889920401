"""`innkeeper vm start`, `stop`, `restart`, `set`: what they ask of the API, what they wait for, their end."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import main, progress, vms
from orchestrator.cli.progress import NotReached

runner = CliRunner()


class FakeApi:
    """Answers with the next of `statuses` at each look at the VM."""

    def __init__(self, *statuses: str, failure: str | None = None) -> None:
        self.statuses = list(statuses)
        self.failure = failure
        self.asked: list[tuple[str, str, Any]] = []

    def call(self, method: str, path: str, json: Any = None, params: Any = None) -> Any:
        if path.endswith("/events"):
            events = [{"to_status": None, "text": "an old line"}, {"to_status": None, "text": "a new line"}]
            return events[params["offset"] : 2 if self.asked else 1]
        if method != "GET":
            self.asked.append((method, path, json))
            return self.vm(self.statuses[0])
        return self.vm(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])

    def vm(self, status: str) -> dict[str, Any]:
        return {"id": "v1", "vmid": 7, "node": "vm01", "status": status, "failure_reason": self.failure}


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(progress, "POLL_SECONDS", 0)

    def invoke(api: FakeApi, *arguments: str) -> Result:
        @contextmanager
        def connect() -> Iterator[FakeApi]:
            yield api

        monkeypatch.setattr(vms, "connect", connect)
        return runner.invoke(main.app, ["vm", *arguments])

    return invoke


@pytest.mark.parametrize(
    ("command", "statuses"),
    [
        ("start", ("starting", "starting", "running")),
        ("stop", ("running", "running", "stopping", "interrupted", "stopped")),
        ("restart", ("stopping", "starting", "running")),
    ],
)
def test_it_is_followed_until_it_is_there(run: Run, command: str, statuses: tuple[str, ...]) -> None:
    api = FakeApi(*statuses)
    ended = run(api, command, "v1")
    assert ended.exit_code == 0
    assert api.asked == [("POST", f"/vms/v1/{command}", None)]
    assert statuses[-1] in ended.output
    assert "a new line" in ended.output
    assert "an old line" not in ended.output


def test_for_scripts_only_the_vm_is_printed(run: Run) -> None:
    shown = run(FakeApi("starting", "running"), "start", "v1", "--json").output
    assert json.loads(shown)["status"] == "running"


def test_without_waiting_the_answer_is_shown(run: Run) -> None:
    api = FakeApi("stopping", "stopped")
    assert "stopping" in run(api, "stop", "v1", "--no-wait").output
    assert len(api.statuses) == 2, "nobody looked again"


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        ("its card fell off the bus", "VM v1 is stopped: its card fell off the bus"),
        (None, "VM v1 is stopped."),
    ],
)
def test_what_was_not_reached_is_an_error(run: Run, failure: str | None, text: str) -> None:
    ended = run(FakeApi("starting", "stopped", failure=failure), "start", "v1")
    assert isinstance(ended.exception, NotReached)
    assert str(ended.exception) == text


@pytest.mark.parametrize(
    ("options", "body"),
    [
        (["--label", "render farm"], {"instance_label": "render farm"}),
        (["--label", ""], {"instance_label": None}),
        (["--auto-restart"], {"auto_restart": True}),
        (["--no-auto-restart", "--label", "x"], {"auto_restart": False, "instance_label": "x"}),
    ],
)
def test_fields_are_set(run: Run, options: list[str], body: dict[str, Any]) -> None:
    api = FakeApi("running")
    assert run(api, "set", "v1", *options).exit_code == 0
    assert api.asked == [("PATCH", "/vms/v1", body)]


def test_setting_nothing_is_an_error(run: Run) -> None:
    api = FakeApi("running")
    assert "Nothing to change" in str(run(api, "set", "v1").exception)
    assert api.asked == []
