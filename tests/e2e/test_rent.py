"""A request becomes a running VM that its owner can log in to, through every real part."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.cli import keypair
from orchestrator.errors import SshError
from tests.e2e.stack import Stack
from workers.ssh import log_in

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def private_key(stack: Stack, tmp_path: Path) -> str:
    """The key of the account; its private half."""
    path = tmp_path / "key"
    for key in stack.client.call("GET", "/ssh-keys"):
        stack.client.call("DELETE", f"/ssh-keys/{key['id']}")
    stack.client.call("POST", "/ssh-keys", json={"ssh_public_key": keypair.make(path)})
    return path.read_text()


def test_by_key_and_by_password_and_gone_again(stack: Stack, private_key: str) -> None:
    by_key = stack.rent(gpu_count=2, storage_gb=100)
    secret = {"auth_method": "password", "password": stack.password}
    by_password = stack.rent(node="vm02", gpu_type="4090", **secret)
    stack.wait([by_key, by_password], "running")
    for vm_id, right, wrong in (
        (by_key, {"private_key": private_key}, {"password": stack.password}),
        (by_password, {"password": stack.password}, {"password": "not the password"}),
    ):
        vm = stack.vm(vm_id)
        where = (vm["ip_address"], vm["ssh_port"], vm["login_user"])
        expected = {"expected_fingerprint": vm["ssh_host_key_fingerprint"], "timeout_seconds": 10}
        assert log_in(*where, **right, **expected).startswith("gpu-")
        with pytest.raises(SshError):
            log_in(*where, **wrong, **expected)
    stack.delete(by_key, by_password)
    assert stack.query("SELECT 1 FROM claims WHERE released_at IS NULL") == []


def test_the_time_line_tells_every_step(stack: Stack, private_key: str) -> None:
    vm_id = stack.rent()
    stack.wait([vm_id], "running")
    events = stack.client.call("GET", f"/vms/{vm_id}/events")
    assert [event["step"] for event in events if event["kind"] == "step"] == [
        "reserve",
        "clone",
        "configure",
        "boot",
        "probe",
    ]
    assert [event["to_status"] for event in events if event["kind"] == "status"] == ["starting", "running"]


def test_the_present_use_of_a_running_vm_is_shown(stack: Stack, private_key: str) -> None:
    vm_id = stack.rent()
    stack.wait([vm_id], "running")
    stack.until(lambda: stack.vm(vm_id)["ram_percent"] > 0, seconds=20)
    assert 0 <= stack.vm(vm_id)["cpu_percent"] <= 100


def test_ten_at_once_on_one_node_all_run(stack: Stack, private_key: str) -> None:
    with ThreadPoolExecutor(10) as pool:
        vms = list(pool.map(lambda _: stack.rent(), range(10)))
    stack.wait(vms, "running", seconds=120)


def test_sixteen_requests_at_once_share_exactly_the_gpus(stack: Stack, private_key: str) -> None:
    stack.wait([filler := stack.rent(gpu_count=8)], "running")
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: stack.ask(), range(16)))
    accepted = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert (len(accepted), len(refused)) == (8, 8)
    assert {body["code"] for body in refused} == {"insufficient_capacity"}
    stack.wait(accepted, "running", seconds=120)
    held = stack.query("SELECT gpu_id FROM claims WHERE released_at IS NULL")
    assert len(held) == len(set(held)) == 16
    stack.delete(filler, *accepted)


def test_a_failing_clone_leaves_no_vm_and_no_claim(stack: Stack, private_key: str) -> None:
    stack.fault("forbidden", method="POST", path="/clone$", times=None)
    vm_id = stack.rent()
    stack.wait([vm_id], "failed")
    assert "403" in stack.vm(vm_id)["failure_reason"]
    assert stack.query("SELECT 1 FROM claims WHERE released_at IS NULL") == []
    assert stack.vm(vm_id)["vmid"] not in {vm["vmid"] for vm in stack.simulator_state()["vms"]}
