"""Duties run once at a time and leave a record; operators' tasks act by VM id."""

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from orchestrator.errors import NotFound
from orchestrator.scheduler import ops
from orchestrator.scheduler.duties import run_duty
from orchestrator.scheduler.usage import ask_for_usage
from orchestrator.scheduler.wake import wake
from orchestrator.store.database import Transaction
from orchestrator.vms import operations
from orchestrator.vms.models import DutyRun, Operation
from orchestrator.vms.pipelines import Step
from tests.seed import Seed


def change(seed: Seed, **values: object) -> None:
    with seed.database.transaction() as tx:
        tx.execute(update(Operation).values(**values))


def test_a_duty_leaves_a_record_of_its_last_run(seed: Seed) -> None:
    for result in ("first", "second"):
        assert run_duty(seed.database, "test", lambda _, result=result: result) == result
    with seed.database.transaction() as tx:
        run = tx.get_one(DutyRun, "test")
        assert (run.runs, run.last_result) == (2, "second")
        assert 0 <= run.last_seconds < 1


def test_two_schedulers_do_not_run_a_duty_at_once(seed: Seed) -> None:
    inner: list[str | None] = []

    def work(_: Transaction) -> str:
        inner.append(run_duty(seed.database, "test", lambda _: "inner"))
        inner.append(run_duty(seed.database, "another", lambda _: "inner"))
        return "outer"

    assert run_duty(seed.database, "test", work) == "outer"
    assert inner == [None, "inner"]


def test_wake_rings_for_what_is_due_after_its_commit(seed: Seed) -> None:
    seed.vm()
    seed.bell.rung.clear()
    assert wake(seed.database, ring_again_seconds=4) == "0 operations rung for"
    change(seed, rung_at=func.now() - timedelta(seconds=5))
    assert wake(seed.database, ring_again_seconds=4) == "1 operations rung for"
    assert len(seed.bell.rung) == 1


def test_one_node_of_each_cluster_is_asked_for_the_use_of_its_vms(seed: Seed) -> None:
    asked: list[tuple[str, str]] = []
    assert ask_for_usage(seed.database, lambda *where: asked.append(where)) == "1 clusters asked"
    [(cluster, node)] = asked
    assert cluster == "c1"
    assert node in ("vm01", "vm02")


@pytest.fixture
def retry(seed: Seed) -> Callable[[], str]:
    vm = seed.vm()
    seed.bell.rung.clear()
    return lambda: ops.retry(seed.database, vm.id)


class TestRetry:
    def test_a_parked_operation_goes_on_at_once_with_fresh_attempts(
        self, seed: Seed, retry: Callable[[], str]
    ) -> None:
        change(
            seed, state="parked", parked_for="operator", attempt=7, not_before=func.now() + timedelta(hours=1)
        )
        assert "create goes on at reserve" in retry()
        [ring] = seed.bell.rung
        assert ring.attempt == 1
        with seed.database.transaction() as tx:
            assert operations.take(tx, ring.id, Step.RESERVE, owner="w", seconds=9) is not None

    def test_a_running_step_is_left_alone(self, seed: Seed, retry: Callable[[], str]) -> None:
        with seed.database.transaction() as tx:
            operation_id = tx.scalars(select(Operation.id)).one()
            operations.take(tx, operation_id, Step.RESERVE, owner="w", seconds=60)
        assert "reserve is running now (attempt 1)" in retry()
        assert seed.bell.rung == []

    def test_nothing_under_way_is_said(self, seed: Seed, retry: Callable[[], str]) -> None:
        change(seed, state="done", finished_at=func.now())
        assert "nothing of it is under way" in retry()

    def test_an_unknown_vm(self, seed: Seed) -> None:
        with pytest.raises(NotFound):
            ops.retry(seed.database, uuid4())


def test_explain_says_where_a_vm_stands(seed: Seed) -> None:
    vm = seed.vm()
    change(seed, last_error="node vm01 does not answer", state="parked", parked_for="node")
    told = ops.explain(seed.database, vm.id)
    assert told["status"] == "creating"
    assert told["operation"]["waits_for"] == "node"
    assert told["operation"]["last_error"] == "node vm01 does not answer"
    with pytest.raises(NotFound):
        ops.explain(seed.database, uuid4())
