"""Whole pipelines, step by step, against the simulator."""

from uuid import UUID

import pytest

from orchestrator.vms.pipelines import Step
from simulator import Fault
from tests.seed import PASSWORD
from tests.workers.steps.bench import Bench


def test_create_makes_a_running_vm_as_it_was_asked_for(bench: Bench) -> None:
    vm_id = bench.vm(gpu_count=2, storage_gb=80)
    assert bench.settle(vm_id) == "running"
    row = bench.row(vm_id)
    vm = bench.simulator.vm(row.vmid)
    assert vm is not None
    assert row.ip_address is not None
    assert row.ssh_host_key_fingerprint is not None
    assert row.ssh_host_key_fingerprint.startswith("SHA256:")
    assert row.started_at is not None
    assert bench.claims(vm_id) == 2
    assert vm.config["cores"] == str(row.cpu_cores)


def test_destroy_leaves_nothing(bench: Bench) -> None:
    vm_id = bench.vm(auth_method="password", password=PASSWORD)
    assert bench.settle(vm_id) == "running"
    vmid = bench.row(vm_id).vmid
    bench.destroy(vm_id)
    assert bench.settle(vm_id) == "destroyed"
    assert bench.leftovers(vmid) == []
    assert bench.claims(vm_id) == 0
    assert bench.row(vm_id).password_hash is None


@pytest.mark.parametrize("step", [Step.CLONE, Step.CONFIGURE, Step.BOOT])
def test_a_token_that_was_revoked_costs_no_vm(bench: Bench, step: Step) -> None:
    vm_id = bench.vm()
    bench.until(vm_id, step)
    bench.simulator.faults.add(Fault("unauthorized", times=None))
    bench.settle(vm_id)
    operation = bench.operation(vm_id)
    assert operation is not None
    assert (operation.kind, operation.step, operation.parked_for) == ("create", step, "operator")
    assert "PVE answers 401" in (operation.last_error or "")
    bench.simulator.faults.clear()
    bench.step(vm_id)
    assert bench.settle(vm_id) == "running"


@pytest.mark.parametrize("step", [Step.CLONE, Step.CONFIGURE, Step.BOOT, Step.PROBE])
def test_a_destroy_overtakes_a_create_before_each_step(bench: Bench, step: Step) -> None:
    vm_id: UUID = bench.vm()
    bench.until(vm_id, step)
    bench.destroy(vm_id)
    assert bench.settle(vm_id) == "destroyed"
    assert bench.leftovers(bench.row(vm_id).vmid) == []
    assert bench.claims(vm_id) == 0
