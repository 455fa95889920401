"""Every wait explains itself (promise 7): waits that have nothing to do with free GPUs."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import func

from orchestrator.intake.asking import ask
from orchestrator.intake.lifecycle import Asked
from orchestrator.scheduler.reclaim import reclaim_on
from orchestrator.vms import operations
from orchestrator.vms.models import Vm
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import Status
from orchestrator.vms.transitions import move
from tests.orchestrator.scheduler.life import Life
from tests.orchestrator.vms.explained import SETTINGS, Told, change, kinds, set_node


class TestOnItsWay:
    def test_a_worker_is_at_it(self, life: Life, told: Callable[..., Told]) -> None:
        vm = life.vm()
        with life.seed.database.transaction() as tx:
            operations.take(tx, life.operation(vm).id, Step.RESERVE, owner="w", seconds=60)
        seen = told(vm)
        assert (seen["reason"], seen["waits_for"]) == ("working", "reserve is under way on node vm01")
        assert (seen["operation"], seen["step"], seen["attempt"], seen["state"]) == (
            "create",
            "reserve",
            1,
            "open",
        )
        assert seen["estimate_seconds"] is None
        assert "no create has ended well yet" in seen["estimate_basis"]
        assert seen["next_try_at"] is None

    def test_no_worker_has_taken_it(self, life: Life, told: Callable[..., Told]) -> None:
        vm = life.vm()
        seen = told(vm)
        assert (seen["reason"], seen["waits_for"]) == ("worker", "reserve waits for a worker of node vm01")
        assert (seen["blocked_by"], seen["would_free_it"]) == ([], [])

    def test_the_workers_are_silent(self, life: Life, told: Callable[..., Told]) -> None:
        vm = life.vm()
        change(life, vm, rings=4)
        seen = told(vm)
        assert seen["reason"] == "worker"
        assert seen["blocked_by"][0]["text"] == "the workers of node vm01 did not answer 4 messages"
        assert kinds(seen["would_free_it"]) == ["operator"]
        assert seen["estimate_seconds"] is None

    def test_it_is_tried_again(self, life: Life, told: Callable[..., Told]) -> None:
        life.running()
        vm = life.vm()
        later = func.clock_timestamp() + timedelta(seconds=60)
        change(life, vm, last_error="the node is busy", not_before=later, step="clone")
        seen = told(vm)
        assert seen["reason"] == "retry"
        assert seen["waits_for"] == "clone is tried again in 60 s on node vm01"
        assert seen["blocked_by"][0]["text"] == seen["last_error"] == "the node is busy"
        assert kinds(seen["would_free_it"]) == ["wait"]
        assert seen["would_free_it"][0]["seconds"] == 60
        assert seen["estimate_seconds"] == 60
        assert "a pause of 60 s; then clone 0 s" in seen["estimate_basis"]
        assert seen["next_try_at"] is not None

    def test_what_overtakes_it_is_said(self, life: Life, told: Callable[..., Told]) -> None:
        vm = life.vm()
        with life.seed.database.transaction() as tx:
            operations.take(tx, life.operation(vm).id, Step.RESERVE, owner="w", seconds=60)
        ask(life.seed.database, life.seed.user_id, vm.id, Asked.DESTROY)
        seen = told(vm)
        assert seen["waits_for"] == (
            "reserve is under way on node vm01; it ends at its next safe point, and the destroy that was "
            "asked for follows"
        )
        assert "no destroy has ended well yet" in seen["estimate_basis"]

    def test_its_notice_runs(self, life: Life, told: Callable[..., Told]) -> None:
        victim = life.running(gpu_count=8, rental_type="interruptible")
        life.vm(gpu_count=4)
        reclaim_on(life.seed.database, SETTINGS, "vm01")
        seen = told(victim)
        assert (seen["status"], seen["reason"]) == ("running", "notice")
        assert seen["waits_for"].startswith("it runs until its notice ends at 2")
        assert seen["would_free_it"][0]["seconds"] in (119, 120)

    def test_a_notice_without_its_record_ends_with_its_operation(
        self, life: Life, told: Callable[..., Told]
    ) -> None:
        victim = life.running(rental_type="interruptible")
        with life.seed.database.transaction() as tx:
            operations.begin(tx, tx.get_one(Vm, victim.id), Kind.INTERRUPT, actor="test")
        assert told(victim)["reason"] == "notice"


class TestOthers:
    def test_its_node_does_not_answer(self, life: Life, told: Callable[..., Told]) -> None:
        vm = life.running()
        with life.seed.database.transaction() as tx:
            row = tx.get_one(Vm, vm.id)
            move(tx, row, Status.OFFLINE, actor="innkeeper", cause="test")
        life.offline("vm01")
        seen = told(vm)
        assert seen["reason"] == "node_offline"
        assert seen["waits_for"] == "it waits until node vm01 answers; it was running"
        assert seen["blocked_by"][0]["text"] == "node vm01 does not answer"
        assert kinds(seen["would_free_it"]) == ["node", "operator"]
        set_node(life, "vm01", misses=0, missed_since=None, offline_since=None)
        seen = told(vm)
        assert seen["reason"] == "node_offline"
        assert seen["blocked_by"][0]["text"] == "node vm01 answers again, and is being looked at"

    def test_its_operation_waits_for_the_node(self, life: Life, told: Callable[..., Told]) -> None:
        vm = life.vm()
        change(life, vm, state="parked", parked_for="node", last_error="no route")
        seen = told(vm)
        assert (seen["reason"], seen["waits_for"]) == (
            "node_offline",
            "reserve waits until node vm01 answers",
        )
        assert [one["text"] for one in seen["blocked_by"]] == ["node vm01 does not answer", "no route"]

    def test_it_waits_for_an_operator(self, life: Life, told: Callable[..., Told]) -> None:
        vm = life.vm()
        later = func.clock_timestamp() + timedelta(seconds=300)
        change(
            life, vm, state="parked", parked_for="operator", last_error="permission denied", not_before=later
        )
        seen = told(vm)
        assert (seen["reason"], seen["parked_for"]) == ("operator", "operator")
        assert seen["waits_for"] == "reserve waits for an operator of node vm01"
        assert seen["would_free_it"][0]["seconds"] == 300

    def test_nothing_is_wanted(self, life: Life, told: Callable[..., Told]) -> None:
        seen = told(life.running())
        assert (seen.pop("status"), seen.pop("reason")) == ("running", "wants_nothing")
        assert all(value in (None, []) for value in seen.values())

    def test_it_was_given_up(self, life: Life, told: Callable[..., Told]) -> None:
        vm = life.vm()
        with life.seed.database.transaction() as tx:
            row = tx.get_one(Vm, vm.id)
            operation = operations.live(tx, vm.id)
            assert operation is not None
            operations.give_up(tx, operation, row, reason="the template is gone")
        life.finish(vm)
        seen = told(vm)
        assert (seen["status"], seen["reason"], seen["waits_for"]) == ("failed", "given_up", None)
        assert seen["last_error"] == seen["blocked_by"][0]["text"] == "the template is gone"
        assert kinds(seen["would_free_it"]) == ["request"]

    def test_its_start_was_given_up(self, life: Life, told: Callable[..., Told]) -> None:
        vm = life.running()
        ask(life.seed.database, life.seed.user_id, vm.id, Asked.STOP)
        life.finish(vm)
        with life.seed.database.transaction() as tx:
            tx.get_one(Vm, vm.id).failure_reason = "no boot"
        seen = told(vm)
        assert (seen["status"], seen["reason"], seen["last_error"]) == ("stopped", "given_up", "no boot")
        assert kinds(seen["would_free_it"]) == ["start"]
