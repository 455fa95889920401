"""Shut down, delete, release: nothing is left behind, and nothing of somebody else's is touched."""

import pytest
from sqlalchemy import text, update

from orchestrator.gpus.quarantine import quarantine
from orchestrator.vms.models import Operation
from orchestrator.vms.pipelines import Step
from tests.workers.steps.bench import Bench


def test_a_guest_that_ignores_the_shutdown_is_switched_off(bench: Bench) -> None:
    bench.fault("ignores_shutdown", times=None)
    vm_id = bench.vm()
    bench.settle(vm_id)
    bench.destroy(vm_id)
    assert bench.settle(vm_id) == "destroyed"
    kinds = [task.upid.type for task in bench.simulator.tasks()]
    assert kinds.count("qmshutdown") == 1
    assert kinds.count("qmstop") == 1


@pytest.mark.parametrize("path", ["/status/shutdown$", "/qemu/100000$"])
@pytest.mark.parametrize("fault", ["lost_response_after", "lost_response_before", "proxy_timeout_after"])
def test_lost_answers_do_no_harm(bench: Bench, path: str, fault: str) -> None:
    vm_id = bench.vm()
    bench.settle(vm_id)
    for method in ("POST", "DELETE"):
        bench.fault(fault, method=method, path=path)
    bench.destroy(vm_id)
    assert bench.settle(vm_id) == "destroyed"
    assert bench.leftovers(100_000) == []
    assert bench.claims(vm_id) == 0


def test_a_vm_that_is_somebody_elses_now_is_not_touched(bench: Bench) -> None:
    bench.see_everything()
    vm_id = bench.vm()
    bench.settle(vm_id)
    bench.edit(100_000, description="taken over by hand")
    before = bench.simulator.vm(100_000)
    bench.destroy(vm_id)
    bench.settle(vm_id)
    operation = bench.operation(vm_id)
    assert operation is not None
    assert "runs with our GPUs" in (operation.last_error or "")
    assert bench.claims(vm_id) == 1, "its cards are not handed on while it runs with them"
    assert bench.simulator.vm(100_000) == before
    bench.edit(100_000, hostpci0=None)
    bench.step(vm_id)
    assert bench.settle(vm_id) == "destroyed"
    assert bench.simulator.vm(100_000) is not None


def test_a_vm_that_the_token_may_not_see_any_more_is_neither_given_up_nor_robbed(bench: Bench) -> None:
    vm_id = bench.vm()
    bench.settle(vm_id)
    bench.simulator.call(lambda server: server.cluster.pools["innkeeper"].vms.discard(100_000))
    bench.destroy(vm_id)
    for step in ("shutdown", "delete", "release"):
        with bench.database.transaction() as tx:
            tx.execute(text(f"UPDATE operations SET step = '{step}' WHERE kind = 'destroy'"))
        bench.step(vm_id)
        bench.settle(vm_id)
        operation = bench.operation(vm_id)
        assert operation is not None
        assert operation.parked_for == "operator"
        assert "check its rights on pool innkeeper" in (operation.last_error or "")
    assert bench.claims(vm_id) == 1
    bench.simulator.call(lambda server: server.cluster.pools["innkeeper"].vms.add(100_000))
    with bench.database.transaction() as tx:
        tx.execute(text("UPDATE operations SET step = 'shutdown' WHERE kind = 'destroy'"))
    assert bench.step(vm_id)
    assert bench.settle(vm_id) == "destroyed"
    assert bench.leftovers(100_000) == []


def test_a_vm_that_was_moved_is_found_and_destroyed(bench: Bench) -> None:
    vm_id = bench.vm()
    bench.settle(vm_id)
    bench.simulator.move_vm(100_000, "vm02")
    bench.destroy(vm_id)
    assert bench.settle(vm_id) == "destroyed"
    assert bench.simulator.vm(100_000) is None


def test_a_vm_that_somebody_started_again_is_switched_off_before_it_is_deleted(bench: Bench) -> None:
    vm_id = bench.vm()
    bench.settle(vm_id)
    bench.destroy(vm_id)
    bench.until(vm_id, Step.DELETE)
    bench.start(100_000)
    assert bench.settle(vm_id) == "destroyed"


def test_gpus_are_kept_while_the_vm_runs(bench: Bench) -> None:
    vm_id = bench.vm()
    bench.settle(vm_id)
    bench.destroy(vm_id)
    bench.until(vm_id, Step.DELETE)
    bench.start(100_000)
    with bench.database.transaction() as tx:
        tx.execute(text("UPDATE operations SET step = 'release' WHERE kind = 'destroy'"))
    bench.step(vm_id)
    assert "they stay claimed" in bench.told(vm_id)[-1]
    assert bench.claims(vm_id) == 1


def test_a_leaked_disk_is_told(bench: Bench) -> None:
    bench.fault("disk_leaked")
    vm_id = bench.vm()
    bench.settle(vm_id)
    bench.destroy(vm_id)
    assert bench.settle(vm_id) == "destroyed"
    assert any("remove a leftover by hand" in line for line in bench.told(vm_id))


def test_a_destroy_waits_for_the_clone_that_it_overtook(bench: Bench) -> None:
    vm_id = bench.vm()
    bench.until(vm_id, Step.CLONE)
    bench.fault("lost_response_after", method="POST", path="/clone$")
    bench.step(vm_id)
    bench.destroy(vm_id)
    assert bench.settle(vm_id) == "destroyed"
    assert bench.leftovers(100_000) == []


@pytest.mark.parametrize("noted", [False, True])
def test_a_destroy_waits_for_a_clone_that_still_runs(slow_bench: Bench, noted: bool) -> None:
    vm_id = slow_bench.vm()
    slow_bench.until(vm_id, Step.CLONE)
    slow_bench.fault("lost_response_after", method="POST", path="/clone$")
    slow_bench.step(vm_id)
    if noted:
        with slow_bench.database.transaction() as tx:
            upid = slow_bench.gateways.of("sim").find_clone_task("vm01", 100_000)
            tx.execute(update(Operation).values(memo={"qmclone": upid}))
    slow_bench.destroy(vm_id)
    assert slow_bench.settle(vm_id) == "destroyed"
    assert slow_bench.leftovers(100_000) == []


def test_a_create_waits_for_its_clone_that_still_runs(slow_bench: Bench) -> None:
    vm_id = slow_bench.vm()
    slow_bench.fault("lost_response_after", method="POST", path="/clone$")
    assert slow_bench.settle(vm_id) == "running"
    assert [t.upid.type for t in slow_bench.simulator.tasks()].count("qmclone") == 1


def test_a_destroy_that_fails_once_is_tried_again(bench: Bench) -> None:
    vm_id = bench.vm()
    bench.settle(vm_id)
    bench.fault("flock_timeout", method="DELETE", path="/qemu/100000$")
    bench.destroy(vm_id)
    assert bench.settle(vm_id) == "destroyed"
    assert any("lock-100000.conf" in line for line in bench.told(vm_id))


def test_a_destroy_waits_for_the_start_that_it_overtook(bench: Bench) -> None:
    vm_id = bench.vm()
    bench.until(vm_id, Step.BOOT)
    bench.fault("slow_start", seconds=100)
    bench.fault("lost_response_after", method="POST", path="/status/start$")
    bench.step(vm_id)
    bench.destroy(vm_id)
    assert bench.settle(vm_id) == "destroyed"
    assert bench.leftovers(100_000) == []


@pytest.mark.parametrize("everything_is_visible", [False, True])
def test_what_a_killed_clone_left_waits_for_an_operator(bench: Bench, everything_is_visible: bool) -> None:
    if everything_is_visible:
        bench.see_everything()
    vm_id = bench.vm()
    bench.until(vm_id, Step.CLONE)
    bench.fault("worker_killed", path="/clone$")
    bench.step(vm_id)
    bench.destroy(vm_id)
    bench.settle(vm_id)
    operation = bench.operation(vm_id)
    assert operation is not None
    assert operation.parked_for == "operator"
    assert "qm unlock 100000 && qm destroy 100000 --purge" in (operation.last_error or "")
    bench.simulator.call(lambda server: server.cluster.vms.pop(100_000))
    bench.step(vm_id)
    assert bench.settle(vm_id) == "destroyed"


def test_a_vm_that_cannot_be_switched_off_keeps_its_gpus_and_waits_for_an_operator(bench: Bench) -> None:
    vm_id = bench.vm()
    bench.settle(vm_id)
    for path in ("/status/shutdown$", "/status/stop$"):
        bench.fault("flock_timeout", path=path, times=None)
    bench.destroy(vm_id)
    bench.settle(vm_id)
    operation = bench.operation(vm_id)
    assert operation is not None
    assert (operation.state, operation.parked_for) == ("parked", "operator")
    assert bench.claims(vm_id) == 1
    bench.simulator.faults.clear()
    bench.step(vm_id)
    assert bench.settle(vm_id) == "destroyed"


@pytest.mark.parametrize("step", [Step.CLONE, Step.BOOT])
def test_a_node_that_does_not_answer_is_waited_for(bench: Bench, step: Step) -> None:
    vm_id = bench.vm()
    bench.until(vm_id, step)
    bench.simulator.node_down("vm01")
    bench.settle(vm_id)
    operation = bench.operation(vm_id)
    assert operation is not None
    assert operation.parked_for == "node"
    assert bench.claims(vm_id) == 1
    bench.simulator.node_up("vm01")
    bench.step(vm_id)
    assert bench.settle(vm_id) == "running"


def test_a_full_node_is_waited_for_when_the_claim_was_lost(bench: Bench) -> None:
    vm_id, other = bench.vm(gpu_count=4), bench.vm(gpu_count=4)
    bench.settle(other)
    with bench.database.transaction() as tx:
        lost = text("UPDATE claims SET released_at = now(), released_because = 'test' WHERE vm_id = :vm")
        tx.execute(lost, {"vm": vm_id})
        for number in range(4):
            quarantine(tx, "vm01", f"gpu-vm01-{number}", cause="start", reason="test")
    bench.settle(vm_id)
    operation = bench.operation(vm_id)
    assert operation is not None
    assert operation.parked_for == "capacity"
    bench.destroy(other)
    bench.settle(other)
    assert bench.claims(vm_id) == 4, "handed on when they were released"
    bench.step(vm_id)
    assert bench.settle(vm_id) == "running"
