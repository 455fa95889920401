"""What operators do with Flower: look, retry, explain."""

from pathlib import Path

import httpx
import pytest

from orchestrator.cli import keypair
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
    """Call a task through Flower and read its result there."""
    body = {"kwargs": {"vm": vm_id}, "queue": "scheduler"}
    task_id = stack.flower("POST", f"/api/task/async-apply/{task}", json=body)["task-id"]
    found: list[str] = []

    def finished() -> bool:
        info = stack.flower("GET", "/api/tasks", params={"taskname": task}).get(task_id, {})
        found.append(str(info.get("result")))
        return bool(info.get("state") == "SUCCESS")

    stack.until(finished, lambda: stack.logs()[-2000:], seconds=20)
    return found[-1]


def test_explain_and_retry_a_vm_by_its_id(stack: Stack, parked: str) -> None:
    explained = call(stack, "innkeeper.ops.explain", parked)
    assert "'waits_for': 'operator'" in explained
    stack.no_faults()
    assert "goes on at shutdown" in call(stack, "innkeeper.ops.retry", parked)
    stack.wait([parked], "destroyed")


def test_flower_shows_steps_with_vm_and_node_and_asks_for_a_password(stack: Stack, parked: str) -> None:
    tasks = stack.flower("GET", "/api/tasks", params={"taskname": "innkeeper.steps.clone"})
    assert any(parked in task["kwargs"] and "vm01" in task["kwargs"] for task in tasks.values())
    stack.no_faults()
    call(stack, "innkeeper.ops.retry", parked)
    access = stack.installation.access
    assert httpx.get(access.flower_url + "/api/tasks").status_code == 401
