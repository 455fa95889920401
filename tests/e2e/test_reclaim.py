"""Who pays and waits gets room: after notice, shutdown and boot, and with nobody displaced needlessly."""

import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import keypair
from tests.e2e.stack import NOTICE_SECONDS, Stack

pytestmark = pytest.mark.timeout(240)

ADDED_SECONDS, ROUNDS = 2, 3
RESTORED_WITHIN_SECONDS = 15


@pytest.fixture(autouse=True)
def key(stack: Stack, tmp_path: Path) -> None:
    """The account has a key."""
    if not stack.client.call("GET", "/ssh-keys"):
        stack.client.call("POST", "/ssh-keys", json={"ssh_public_key": keypair.make(tmp_path / "key")})


@pytest.fixture
def full(stack: Stack) -> list[str]:
    """Node vm01: eight interruptible VMs of one GPU, and a paying one on the other eight GPUs."""
    paying = stack.rent(gpu_count=8)
    displaceable = [stack.rent(rental_type="interruptible") for _ in range(8)]
    stack.wait([paying, *displaceable], "running")
    return displaceable


def seconds_until_running(stack: Stack, vm_id: str) -> float:
    """From the request to `running`, by the database's clock."""
    stack.wait([vm_id], "running")
    [(seconds,)] = stack.query(
        f"SELECT extract(epoch FROM started_at - created_at) FROM vms WHERE id = '{vm_id}'"
    )
    return float(seconds)


def boot_seconds(stack: Stack, vm_id: str) -> float:
    """From when it has its GPUs until it runs: clone, configure, boot, probe."""
    [(seconds,)] = stack.query(
        f"SELECT extract(epoch FROM v.started_at - e.at) FROM vms v JOIN events e ON e.vm_id = v.id"
        f" WHERE v.id = '{vm_id}' AND e.text = 'reserve done'"
    )
    return float(seconds)


def longest_way_out(stack: Stack, waiting: str) -> float:
    """From the end of the notice until its GPUs are free: the shutdown of the slowest of those displaced."""
    [(seconds,)] = stack.query(
        "SELECT max(extract(epoch FROM last.at - first.at)) FROM interruptions i"
        " JOIN LATERAL (SELECT max(at) AS at FROM events WHERE vm_id = i.vm_id"
        "   AND to_status = 'stopping') first ON true"
        " JOIN LATERAL (SELECT max(at) AS at FROM events WHERE vm_id = i.vm_id"
        "   AND to_status = 'interrupted') last ON true"
        f" WHERE i.displaced_by = '{waiting}'"
    )
    return float(seconds)


def interruption(stack: Stack, vm_id: str, waiting: str) -> dict[str, Any]:
    """What its history says of its interruption for that request."""
    history = stack.client.call("GET", f"/vms/{vm_id}/interruption-history")
    [record] = [one for one in history if one["preempted_by_vm_id"] == waiting]
    return dict(record)


def test_a_paying_request_runs_after_notice_shutdown_and_boot(stack: Stack, full: list[str]) -> None:
    """Other tests run beside this one, so the best of three rounds counts; mostly there is one."""
    added: list[float] = []
    while not added or (min(added) >= ADDED_SECONDS and len(added) < ROUNDS):
        added.append(displaced_and_back(stack, full, first=not added))
    assert min(added) < ADDED_SECONDS, added


def displaced_and_back(stack: Stack, full: list[str], *, first: bool) -> float:
    """One request for four GPUs, from POST to its end; the seconds that it waited beyond what it had to."""
    waiting = stack.rent(gpu_count=4)
    stack.until(lambda: sum(stack.vm(vm)["interrupts_at"] is not None for vm in full) == 4)
    took, boot = seconds_until_running(stack, waiting), boot_seconds(stack, waiting)
    expected = NOTICE_SECONDS + longest_way_out(stack, waiting) + boot
    print(f"{took:.2f} s = {expected:.2f} s (notice, shutdown, boot) + {took - expected:.2f} s")

    displaced = [vm for vm in full if stack.vm(vm)["status"] == "interrupted"]
    assert len(displaced) == 4, "exactly those that were needed"
    assert all(interruption(stack, vm, waiting)["status"] == "interrupted" for vm in displaced)
    assert all(stack.vm(vm)["status"] == "running" for vm in full if vm not in displaced)

    stack.delete(waiting)
    freed = time.monotonic()
    stack.wait(displaced, "running")
    print(f"back after {time.monotonic() - freed:.2f} s")
    if first:  # later ones cool down for longer
        assert time.monotonic() - freed < RESTORED_WITHIN_SECONDS + boot
    for vm in displaced:
        record = interruption(stack, vm, waiting)
        assert record["status"] == "restored"
        assert record["downtime_seconds"] > 0
    return took - expected


def test_a_waiter_that_is_destroyed_stops_the_reclaim(stack: Stack, full: list[str]) -> None:
    waiting = stack.rent(gpu_count=2)
    stack.until(lambda: sum(stack.vm(vm)["interrupts_at"] is not None for vm in full) == 2)
    stack.delete(waiting)
    stack.until(lambda: all(stack.vm(vm)["interrupts_at"] is None for vm in full))
    assert all(stack.vm(vm)["status"] == "running" for vm in full)
    assert (
        list(itertools.chain(*(stack.client.call("GET", f"/vms/{vm}/interruption-history") for vm in full)))
        == []
    )


def test_a_worker_killed_during_the_notice_neither_shortens_nor_repeats_it(
    stack: Stack, full: list[str]
) -> None:
    waiting = stack.rent(gpu_count=1)
    stack.until(lambda: any(stack.vm(vm)["interrupts_at"] is not None for vm in full))
    stack.kill("worker-vm01")
    stack.wait([waiting], "running")
    [displaced] = [vm for vm in full if stack.vm(vm)["status"] == "interrupted"]
    told = [line for line in stack.told(displaced) if "was told of its interruption" in line]
    assert len(told) <= 1
    [(whole,)] = stack.query("SELECT bool_and(interrupted_at >= notice_until) FROM interruptions")
    assert whole
