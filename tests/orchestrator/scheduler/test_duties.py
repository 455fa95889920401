"""Duties run once at a time and leave a record; operators' tasks act by VM id."""

import json
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from orchestrator.catalog.models import Node
from orchestrator.embedded import EmbeddedPostgres
from orchestrator.errors import NotFound
from orchestrator.scheduler import duties, ops
from orchestrator.scheduler.duties import for_a_while, run_duty
from orchestrator.scheduler.wake import wake
from orchestrator.store.database import Database, Transaction
from orchestrator.vms import operations
from orchestrator.vms.models import DutyRun, Operation
from orchestrator.vms.pipelines import Step
from tests.seed import SETTINGS, Seed


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


def test_a_duty_that_fails_leaves_its_work_undone_and_a_record(
    seed: Seed, caplog: pytest.LogCaptureFixture
) -> None:
    def work(tx: Transaction) -> str:
        tx.execute(update(Node).values(state="draining"))
        raise LookupError("nobody is there")

    assert run_duty(seed.database, "test", lambda _: "fine") == "fine"
    for _ in range(2):
        assert run_duty(seed.database, "test", work) is None
    with seed.database.transaction() as tx:
        run = tx.get_one(DutyRun, "test")
        assert set(tx.scalars(select(Node.state))) == {"active"}
    assert (run.runs, run.failures, run.last_result) == (3, 2, "failed")
    assert run.last_error == "LookupError: nobody is there"
    assert run.last_failed_at is not None
    assert run.last_failed_at >= run.last_started_at
    assert "duty test failed: LookupError: nobody is there" in caplog.text
    assert "Traceback" not in caplog.text
    assert run_duty(seed.database, "test", lambda _: "well again") == "well again"
    with seed.database.transaction() as tx:
        run = tx.get_one(DutyRun, "test")
    assert (run.runs, run.failures, run.last_result) == (4, 2, "well again")


def test_a_duty_whose_very_first_run_fails_has_a_record_too(seed: Seed) -> None:
    def work(_: Transaction) -> str:
        raise LookupError("x" * 5000)

    assert run_duty(seed.database, "test", work) is None
    with seed.database.transaction() as tx:
        run = tx.get_one(DutyRun, "test")
    assert (run.runs, run.failures, len(run.last_error or "")) == (1, 1, 1000)


def test_an_effect_that_fails_after_the_commit_is_a_failure_of_the_duty(seed: Seed) -> None:
    def fail() -> None:
        raise ConnectionError("the broker is away")

    def work(tx: Transaction) -> str:
        tx.after_commit(fail)
        return "done"

    assert run_duty(seed.database, "test", work) is None
    with seed.database.transaction() as tx:
        assert tx.get_one(DutyRun, "test").last_error == "ConnectionError: the broker is away"


def test_a_duty_without_a_database_ends_quietly(
    postgres: EmbeddedPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    away = Database(postgres.database_url("nowhere"))
    assert run_duty(away, "test", lambda _: "never") is None
    assert "the failure of duty test was not kept: OperationalError" in caplog.text
    away.close()


def test_wake_rings_for_what_is_due_after_its_commit(seed: Seed) -> None:
    seed.vm()
    seed.bell.rung.clear()
    assert wake(seed.database, ring_again_seconds=4) == "0 operations rung for"
    change(seed, rung_at=func.now() - timedelta(seconds=5))
    assert wake(seed.database, ring_again_seconds=4) == "1 operations rung for"
    assert len(seed.bell.rung) == 1


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
    told = ops.explain(seed.database, vm.id, SETTINGS)
    assert json.loads(json.dumps(told)) == told
    assert (told["vm"], told["vmid"], told["node"]) == (str(vm.id), vm.vmid, "vm01")
    assert (told["status"], told["reason"], told["worker"]) == ("creating", "node_offline", None)
    assert told["waits_for"] == "reserve waits until node vm01 answers"
    assert told["last_error"] == "node vm01 does not answer"
    with pytest.raises(NotFound):
        ops.explain(seed.database, uuid4(), SETTINGS)


def test_explain_says_that_nothing_is_under_way(seed: Seed) -> None:
    vm = seed.vm()
    change(seed, state="done", finished_at=func.now())
    told = ops.explain(seed.database, vm.id, SETTINGS)
    assert (told["reason"], told["operation_id"]) == ("operator", None)


def test_the_parts_of_a_long_duty_are_left_to_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(for_a_while([1, 2, 3])) == [1, 2, 3]
    monkeypatch.setattr(duties, "LONGEST_SECONDS", -1)
    assert list(for_a_while([1, 2, 3])) == [1]
