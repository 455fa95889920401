"""`innkeeper vm history`: each interruption in a line, or as the API gives it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestrator.cli import main, vms

PAYER = "0c5f2a5e-7b1f-4a55-9f0e-000000000001"
RECORDS = [
    {
        "preempted_at": "2026-01-02T00:00:00Z",
        "preempted_by_vm_id": None,
        "restored_at": None,
        "downtime_seconds": None,
        "status": "interrupted",
    },
    {
        "preempted_at": "2026-01-01T00:00:00Z",
        "preempted_by_vm_id": PAYER,
        "restored_at": "2026-01-01T00:10:00Z",
        "downtime_seconds": 600.4,
        "status": "restored",
    },
]


class FakeApi:
    def call(self, method: str, path: str) -> Any:
        assert (method, path) == ("GET", "/vms/v1/interruption-history")
        return RECORDS


@pytest.fixture(autouse=True)
def api(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def connect() -> Iterator[FakeApi]:
        yield FakeApi()

    monkeypatch.setattr(vms, "connect", connect)
    monkeypatch.setattr(vms.out, "width", 200, raising=False)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main.app, ["vm", "history", "v1", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_table_for_people() -> None:
    shown = run()
    for text in ("2026-01-01T00:00:00Z", PAYER, "600", "restored", "interrupted"):
        assert text in shown


def test_json_for_scripts() -> None:
    assert json.loads(run("--json")) == RECORDS
