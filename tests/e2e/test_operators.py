"""What operators do: with Flower look, retry, explain; and commands beside a running installation."""

import json
import re
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from orchestrator.cli import direct, keypair, main
from tests.e2e.stack import Stack

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def parked(stack: Stack, tmp_path: Path) -> str:
    """A VM whose destroy waits for an operator."""
    if not stack.client.call("GET", "/ssh-keys"):
        stack.client.call("POST", "/ssh-keys", json={"ssh_public_key": keypair.make(tmp_path / "key")})
    vm_id = stack.rent()
    stack.wait([vm_id], "running")
    stack.fault("bad_parameter", method="POST", path="/status/shutdown$", times=None)
    stack.client.call("DELETE", f"/vms/{vm_id}")
    stack.until(
        lambda: bool(stack.query(f"SELECT 1 FROM operations WHERE vm_id = '{vm_id}' AND state = 'parked'"))
    )
    return vm_id


def call(stack: Stack, task: str, vm_id: str) -> str:
    """Call a task through Flower; its id."""
    body = {"kwargs": {"vm": vm_id}, "queue": "scheduler"}
    task_id: str = stack.flower("POST", f"/api/task/async-apply/{task}", json=body)["task-id"]
    return task_id


def explain(stack: Stack, vm_id: str) -> str:
    """What the task says, as Flower shows it. Flower hears of results as a radio does: it may miss one."""
    asked: list[str] = []
    results: list[str] = []
    next_call = 0.0

    def answered() -> bool:
        nonlocal next_call
        if time.monotonic() > next_call:
            asked.append(call(stack, "innkeeper.ops.explain", vm_id))
            next_call = time.monotonic() + 5
        shown = stack.flower("GET", "/api/tasks", params={"taskname": "innkeeper.ops.explain"})
        results.extend(str(shown[one]["result"]) for one in asked if shown.get(one, {}).get("result"))
        return bool(results)

    stack.until(answered, seconds=40)
    return results[0]


def test_explain_and_retry_a_vm_by_its_id(stack: Stack, parked: str) -> None:
    assert "'reason': 'operator'" in explain(stack, parked)
    stack.no_faults()
    call(stack, "innkeeper.ops.retry", parked)
    stack.wait([parked], "destroyed")
    assert "shutdown is retried now" in stack.told(parked)


def test_flower_shows_steps_with_vm_and_node_and_asks_for_a_password(stack: Stack, parked: str) -> None:
    tasks = stack.flower("GET", "/api/tasks", params={"taskname": "innkeeper.steps.clone"})
    shown = re.compile(r"\{'vm': '[0-9a-f-]{36}', 'node': 'vm01', 'operation': '[0-9a-f-]{36}'\}")
    assert any(shown.fullmatch(task["kwargs"]) for task in tasks.values())
    stack.no_faults()
    call(stack, "innkeeper.ops.retry", parked)
    access = stack.installation.access
    assert httpx.get(access.flower_url + "/api/tasks").status_code == 401


def test_commands_beside_a_running_installation_find_its_database(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INNKEEPER_DATABASE_URL", raising=False)
    monkeypatch.setattr(direct, "STATE", stack.installation.state_dir)
    shown = CliRunner().invoke(main.app, ["node", "list", "--json"])
    assert [node["node"] for node in json.loads(shown.stdout)] == ["vm01", "vm02", "vm03"]
