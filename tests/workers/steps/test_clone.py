"""Clone: nothing is adopted or touched without proof, nothing is lost."""

import pytest
from sqlalchemy import update

from orchestrator.catalog.models import Node
from orchestrator.vms.pipelines import Step
from tests.workers.steps.bench import Bench
from workers.steps import clone

TEMPLATE = 9100


@pytest.mark.parametrize("everything_is_visible", [False, True])
@pytest.mark.parametrize("node", ["vm01", "vm02"])
def test_a_taken_vmid_is_left_alone(bench: Bench, node: str, everything_is_visible: bool) -> None:
    if everything_is_visible:
        bench.see_everything()
    vm_id = bench.vm()
    vmid = bench.row(vm_id).vmid
    bench.simulator.make_foreign_vm(node, vmid, description="somebody else's")
    before = bench.simulator.vm(vmid)
    assert bench.settle(vm_id) == "running"
    assert bench.row(vm_id).vmid == vmid + 1
    assert bench.simulator.vm(vmid) == before
    assert any(f"VMID {vmid} is given up for {vmid + 1}" in line for line in bench.told(vm_id))


@pytest.mark.parametrize("fault", ["vmid_taken", "vmid_taken_elsewhere"])
def test_a_race_for_the_vmid_is_lost_with_grace(bench: Bench, fault: str) -> None:
    bench.fault(fault, path="/clone$")
    vm_id = bench.vm()
    assert bench.settle(vm_id) == "running"
    assert bench.row(vm_id).vmid == 100_001
    assert bench.simulator.vm(100_000) is not None


@pytest.mark.parametrize(
    "fault",
    ["lost_response_after", "proxy_timeout_after", "garbled_answer", "lost_response_before", "unreachable"],
)
def test_a_lost_answer_costs_no_second_clone(bench: Bench, fault: str) -> None:
    bench.fault(fault, method="POST", path="/clone$")
    vm_id = bench.vm()
    assert bench.settle(vm_id) == "running"
    clones = [task for task in bench.simulator.tasks() if task.upid.type == "qmclone"]
    assert len(clones) == 1
    assert bench.row(vm_id).vmid == 100_000


@pytest.mark.parametrize("everything_is_visible", [False, True])
def test_a_killed_clone_blocks_its_vmid_but_not_the_user(bench: Bench, everything_is_visible: bool) -> None:
    if everything_is_visible:
        bench.see_everything()
    bench.fault("worker_killed", path="/clone$")
    vm_id = bench.vm()
    assert bench.settle(vm_id) == "running"
    assert bench.row(vm_id).vmid == 100_001
    assert any("qm unlock 100000 && qm destroy 100000 --purge" in line for line in bench.told(vm_id))


def test_a_clone_that_was_refused_for_certain_is_no_claim_to_what_stands_there(bench: Bench) -> None:
    """The token sees its pool alone: only the refusal tells that the VM under our number is not ours."""
    vm_id = bench.vm()
    bench.fault("vmid_taken", path="/clone$")
    bench.until(vm_id, Step.CLONE)
    bench.step(vm_id)
    bench.destroy(vm_id)
    assert bench.settle(vm_id) == "destroyed"
    assert bench.simulator.vm(100_000) is not None


def test_a_clone_that_the_token_may_not_see_is_not_taken_for_a_blocked_number(bench: Bench) -> None:
    vm_id = bench.vm()
    bench.until(vm_id, Step.CLONE)
    bench.fault("forbidden", path="/qemu/100000/config$", times=3)
    bench.step(vm_id)
    bench.step(vm_id)
    assert "check its rights on pool innkeeper" in bench.told(vm_id)[-1]
    bench.simulator.faults.clear()
    assert bench.settle(vm_id) == "running"
    assert bench.row(vm_id).vmid == 100_000


def test_a_second_request_that_is_refused_leaves_the_first_one_open(bench: Bench) -> None:
    vm_id = bench.vm()
    bench.until(vm_id, Step.CLONE)
    bench.fault("lost_response_before", method="POST", path="/clone$")
    bench.fault("forbidden", method="POST", path="/clone$")
    bench.step(vm_id)
    bench.step(vm_id)
    assert bench.settle(vm_id) == "running"


def test_a_failing_clone_leaves_nothing_and_says_why(bench: Bench) -> None:
    with bench.database.transaction() as tx:
        tx.execute(update(Node).values(full_clone=True))
    bench.fault("storage_full", path="/clone$", times=None)
    vm_id = bench.vm(gpu_count=4)
    assert bench.settle(vm_id) == "failed"
    row = bench.row(vm_id)
    assert row.failure_reason is not None
    assert "out of space" in row.failure_reason
    assert bench.claims(vm_id) == 0
    assert bench.leftovers(row.vmid) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"template": None}, "is an ordinary VM"),
        ({"hostpci0": "mapping=gpu-vm01-0"}, "carries hostpci lines"),
        ({"ide2": None}, "has no cloud-init drive"),
        ({"scsi0": None, "scsi1": "local-zfs:base-9100-disk-0,size=10G"}, "has no disk scsi0"),
    ],
)
def test_an_unsafe_template_is_refused(bench: Bench, change: dict[str, str | None], words: str) -> None:
    bench.edit(TEMPLATE, **change)
    vm_id = bench.vm()
    assert bench.settle(vm_id) == "failed"
    assert words in (bench.row(vm_id).failure_reason or "")


def test_a_clone_that_is_not_to_be_seen_yet_is_looked_for_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm_id = bench.vm()
    bench.until(vm_id, Step.CLONE)
    real, looks = clone.look, []

    def late(work):  # type: ignore[no-untyped-def]
        looks.append(1)
        sighting = real(work)
        return clone.Sighting(clone.Found.ABSENT, sighting.node) if len(looks) == 2 else sighting

    monkeypatch.setattr(clone, "look", late)
    assert bench.settle(vm_id) == "running"
    assert any("not to be seen yet" in line for line in bench.told(vm_id))


def test_a_clone_that_appears_between_two_looks_is_looked_at_again(bench: Bench) -> None:
    bench.see_everything()
    vm_id = bench.vm()
    bench.simulator.make_foreign_vm("vm01", 100_000)
    bench.fault(
        "server_error",
        path="/qemu/100000/config$",
        detail="Configuration file 'nodes/vm01/qemu-server/100000.conf' does not exist",
    )
    assert bench.settle(vm_id) == "running"
    assert any("just now" in line for line in bench.told(vm_id))
