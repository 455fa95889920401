"""Whatever dies in between: what was accepted runs, or fails with a reason and nothing left behind."""

import signal
from pathlib import Path

import pytest

from orchestrator.cli import keypair
from tests.e2e.stack import Stack

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def key(stack: Stack, tmp_path: Path) -> None:
    """The account has a key."""
    if not stack.client.call("GET", "/ssh-keys"):
        stack.client.call("POST", "/ssh-keys", json={"ssh_public_key": keypair.make(tmp_path / "key")})


def at_step(stack: Stack, vm_id: str, step: str) -> bool:
    """Is the step being worked on?"""
    rows = stack.query(
        f"SELECT 1 FROM operations WHERE vm_id = '{vm_id}' AND step = '{step}' AND lease_token IS NOT NULL"
    )
    return bool(rows)


def one_of_each(stack: Stack, vm_id: str) -> None:
    """One VM, one clone: nothing was done twice."""
    vms = [vm for vm in stack.simulator_state()["vms"] if vm["name"] == f"gpu-{vm_id.replace('-', '')[:12]}"]
    assert len(vms) == 1


def test_redis_wiped_again_and_again(stack: Stack) -> None:
    vms = [stack.rent(node=node, gpu_type=gpu) for node, gpu in (("vm01", "5090"), ("vm02", "4090")) * 2]
    for step in ("clone", "configure", "boot", "probe"):
        stack.until(lambda step=step: any(at_step(stack, vm, step) for vm in vms) or _all_run(stack, vms))
        stack.wipe_broker()
    stack.wait(vms, "running")
    for vm in vms:
        one_of_each(stack, vm)


def _all_run(stack: Stack, vms: list[str]) -> bool:
    return all(stack.vm(vm)["status"] == "running" for vm in vms)


@pytest.mark.parametrize("step", ["clone", "boot", "probe"])
def test_a_worker_killed_in_the_middle_of_a_step(stack: Stack, step: str) -> None:
    vm_id = stack.rent()
    stack.until(lambda: at_step(stack, vm_id, step))
    stack.kill("worker-vm01")
    stack.wait([vm_id], "running")
    one_of_each(stack, vm_id)


def test_every_process_killed_at_once(stack: Stack) -> None:
    vms = [stack.rent(), stack.rent(node="vm03", gpu_type="6000pro")]
    stack.until(lambda: at_step(stack, vms[0], "boot"))
    for name in ("api", "scheduler", "worker-vm01", "worker-vm02", "worker-vm03"):
        stack.kill(name)
    stack.until(stack.installation._api_is_ready)
    stack.wait(vms, "running")


def test_a_worker_told_to_stop_hands_its_operations_back_at_once(stack: Stack) -> None:
    stack.fault("slow_start", seconds=60)  # 1.2 s of real time
    vm_id = stack.rent()
    stack.until(lambda: at_step(stack, vm_id, "boot"))
    [(first,)] = stack.query(f"SELECT lease_owner FROM operations WHERE vm_id = '{vm_id}'")
    stack.kill("worker-vm01", signal.SIGTERM)
    # Not the lease's end (3 s) but the hand-back frees it; the next worker waits for the very same task.
    stack.until(
        lambda: not stack.query(f"SELECT 1 FROM operations WHERE lease_owner = '{first}'"), seconds=1.5
    )
    stack.wait([vm_id], "running")
    one_of_each(stack, vm_id)
    assert not [line for line in stack.told(vm_id) if "tried again" in line]


def test_the_broker_restarts_under_running_steps(stack: Stack) -> None:
    vms = [stack.rent() for _ in range(3)]
    stack.until(lambda: at_step(stack, vms[0], "boot"))
    stack.installation.valkey.kill()
    later = stack.rent()  # accepted although nobody can be told
    stack.installation.valkey.restart()
    stack.wait([*vms, later], "running")
    alive = stack.installation.parts.pids()
    assert {"worker-vm01", "worker-vm02", "worker-vm03", "scheduler", "api"} <= set(alive)


def test_a_node_that_is_down_for_a_while_only_delays(stack: Stack) -> None:
    vm_id = stack.rent()
    stack.fault("node_down", node="vm01", seconds=300, path="/nodes/vm01/")
    stack.wait([vm_id], "running")


def test_a_destroy_in_the_middle_of_a_create_leaves_nothing(stack: Stack) -> None:
    vm_id = stack.rent()
    stack.until(lambda: at_step(stack, vm_id, "boot"))
    stack.delete(vm_id)
    assert stack.query("SELECT 1 FROM claims WHERE released_at IS NULL") == []
