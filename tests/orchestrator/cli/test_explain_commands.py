"""`innkeeper vm explain` and `vm create --dry-run`: what people read, and what scripts do."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli import main, vms

runner = CliRunner()
Run = Callable[..., Result]

REMEDY = {"kind": "node", "text": "vm02 has 3 free now: [sic]", "node": "vm02"}
EXPLAINED = {
    "status": "creating",
    "reason": "reclaim",
    "waits_for": "it waits for 4 more 5090 GPUs of node vm01",
    "since": "2026-01-01T00:00:00Z",
    "place_in_line": 2,
    "line_length": 3,
    "blocked_by": [{"kind": "line", "text": "1 before it"}, {"kind": "other_vms", "text": "2 VMs"}],
    "would_free_it": [REMEDY],
    "estimate_seconds": 97,
    "estimate_basis": "a notice that ends in 85 s",
    "next_try_at": None,
}
ADMITTED = {
    "admitted": True,
    "refusal": None,
    "gpus": [{"numa_node": 0, "pcie_root": "1"}],
    "gpus_to_wait_for": 1,
    "place_in_line": 1,
    "displaced": {"vms": 1, "gpus": 2, "notice_seconds": 120.0, "own_vm_ids": []},
    "price": {"hourly_rate": 1.01, "deposit_required": None},
    "earliest_start_in_seconds": None,
    "estimate_basis": "no create has ended well yet",
    "would_admit_it": [],
}
REFUSED = {
    **dict.fromkeys(ADMITTED),
    "admitted": False,
    "gpus": [],
    "gpus_to_wait_for": 0,
    "refusal": {"status": 409, "code": "insufficient_capacity", "detail": "Node vm01 has 0 free."},
    "would_admit_it": [REMEDY],
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    def invoke(answer: Any, *arguments: str) -> Result:
        class Api:
            def call(self, method: str, path: str, **options: Any) -> Any:
                asked.append((method, path, options.get("params")))
                return answer

        asked: list[Any] = []

        @contextmanager
        def connect() -> Iterator[Api]:
            yield Api()

        monkeypatch.setattr(vms, "connect", connect)
        result = runner.invoke(main.app, ["vm", *arguments])
        assert result.exit_code == 0, result.output
        assert asked == [
            ("GET", "/vms/v1/explain", None)
            if arguments[0] == "explain"
            else ("POST", "/vms", {"dry_run": True})
        ]
        return result

    return invoke


CREATE = ("create", "--node", "vm01", "--gpu-type", "5090", "--template", "100", "--dry-run")


def test_people_read_what_it_waits_for(run: Run) -> None:
    lines = [line.strip() for line in run(EXPLAINED, "explain", "v1").output.splitlines()]
    assert lines == [
        "status  creating",
        "reason  reclaim",
        "waits for  it waits for 4 more 5090 GPUs of node vm01",
        "since  2026-01-01T00:00:00Z",
        "place in line  2 of 3",
        "in its way  1 before it",
        "2 VMs",
        "would help  vm02 has 3 free now: [sic]",
        "estimate  97 s: a notice that ends in 85 s",
    ]


def test_a_vm_that_waits_for_nothing_is_short(run: Run) -> None:
    told = {
        **dict.fromkeys(EXPLAINED),
        "status": "running",
        "reason": "wants_nothing",
        "blocked_by": [],
        "would_free_it": [],
    }
    assert [line.split() for line in run(told, "explain", "v1").output.splitlines()] == [
        ["status", "running"],
        ["reason", "wants_nothing"],
    ]


def test_people_read_what_a_request_would_come_to(run: Run) -> None:
    lines = [line.strip() for line in run(ADMITTED, *CREATE).output.splitlines()]
    assert lines == [
        "admitted  yes",
        "GPUs at once  NUMA node 0 root 1",
        "GPUs to wait for  1",
        "place in line  1",
        "displaces  1 VMs with 2 GPUs, after a notice of 120 s",
        "per hour  1.0100",
        "runs in  unknown: no create has ended well yet",
    ]


def test_people_read_why_it_would_be_refused(run: Run) -> None:
    lines = [line.strip() for line in run(REFUSED, *CREATE).output.splitlines()]
    assert lines == [
        "admitted  no",
        "because  Node vm01 has 0 free. (insufficient_capacity)",
        "would help  vm02 has 3 free now: [sic]",
    ]


@pytest.mark.parametrize(("answer", "arguments"), [(EXPLAINED, ("explain", "v1")), (REFUSED, CREATE)])
def test_scripts_read_json(run: Run, answer: Any, arguments: tuple[str, ...]) -> None:
    assert json.loads(run(answer, *arguments, "--json").output) == answer
