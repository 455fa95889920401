"""Running one step: what comes of it is applied under its lease, or dropped."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from sqlalchemy import func, select, text, update

from orchestrator.errors import LeaseLost, PveBug, PveTransient
from orchestrator.intake.asking import ask
from orchestrator.intake.lifecycle import Asked
from orchestrator.settings import Settings
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Event, Operation, Vm
from orchestrator.vms.operations import OperationRef
from orchestrator.vms.pipelines import Kind, Step
from tests.seed import Seed
from workers import runner as running
from workers.gateways import Gateways
from workers.heartbeat import Keeper
from workers.outcomes import Done, Failed, Later, Outcome, Parked
from workers.runner import Next, Runner, Verdict
from workers.work import Work

SETTINGS = Settings(lease_seconds=5, heartbeat_seconds=0.05, pace=0.05, _env_file=None)


class NoGateways:
    """Steps of these tests need no hypervisor."""

    change_seconds = 1.0

    def of(self, _: str) -> None:
        return None


@pytest.fixture
def ref(seed: Seed) -> OperationRef:
    seed.vm()
    return seed.bell.rung.pop()


@pytest.fixture
def keeper(seed: Seed) -> Iterator[Keeper]:
    keeper = Keeper(seed.database, lease_seconds=5, heartbeat_seconds=0.05)
    yield keeper
    keeper.close()


@pytest.fixture
def run(
    seed: Seed, keeper: Keeper, ref: OperationRef, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Verdict]:
    """Run the reserve step with another body."""
    runner = Runner(
        settings=SETTINGS,
        database=seed.database,
        gateways=cast(Gateways, NoGateways()),
        keeper=keeper,
        name="test",
    )

    def run(body: Callable[[Work], Outcome], step: Step = Step.RESERVE) -> Verdict:
        monkeypatch.setattr(running, "STEPS", {step: body})
        return runner.run(ref.id, step)

    return run


def row(seed: Seed, ref: OperationRef) -> Operation:
    with seed.database.transaction() as tx:
        return tx.get_one(Operation, ref.id)


def raising(error: Exception) -> Callable[[Work], Outcome]:
    def body(_: Work) -> Outcome:
        raise error

    return body


def test_done_goes_on_to_the_next_step(seed: Seed, ref: OperationRef, run: Callable[..., Verdict]) -> None:
    def changes(tx: Transaction, vm: Vm) -> None:
        vm.ip_address = "192.0.2.1"

    assert run(lambda _: Done(changes)) == Verdict(Next.GO_ON)
    after = row(seed, ref)
    assert (after.state, after.step, after.attempt, after.lease_token) == ("open", "clone", 0, None)
    with seed.database.transaction() as tx:
        assert tx.scalar(select(Vm.ip_address)) == "192.0.2.1"


def test_a_message_too_many_does_nothing(ref: OperationRef, run: Callable[..., Verdict]) -> None:
    run(lambda _: Done())
    assert run(raising(AssertionError("never run"))) == Verdict(Next.STOP)


def test_an_error_backs_off_and_the_message_comes_back(
    seed: Seed, ref: OperationRef, run: Callable[..., Verdict]
) -> None:
    verdict = run(raising(PveTransient("busy")))
    assert verdict.retry_seconds is not None
    after = row(seed, ref)
    assert (after.state, after.attempt, after.last_error) == ("open", 1, "busy")


def test_parked_leaves_the_queue(seed: Seed, ref: OperationRef, run: Callable[..., Verdict]) -> None:
    for _ in range(2):
        with seed.database.transaction() as tx:
            tx.execute(update(Operation).values(state="open", parked_for=None, not_before=func.now()))
        assert run(lambda _: Parked("node", "down", 30)) == Verdict(Next.STOP)
    after = row(seed, ref)
    assert (after.state, after.parked_for, after.attempt, after.lease_token) == ("parked", "node", 0, None)
    with seed.database.transaction() as tx:
        waits = tx.scalars(select(Event.text).where(Event.text.like("%waits%"))).all()
        assert waits == ["reserve waits (node): down"], "the same wait is told once"


def test_later_is_neither_an_attempt_nor_an_error(
    seed: Seed, ref: OperationRef, run: Callable[..., Verdict]
) -> None:
    assert run(lambda _: Later(7)) == Verdict(Next.STOP, retry_seconds=7)
    after = row(seed, ref)
    assert (after.state, after.attempt, after.last_error, after.lease_token) == ("open", 0, None, None)
    with seed.database.transaction() as tx:
        left = tx.scalars(select(Operation.not_before - func.clock_timestamp())).one()
        assert 0 < left.total_seconds() <= 7


def test_who_was_handed_gpus_while_its_step_looked_looks_again(
    seed: Seed, ref: OperationRef, run: Callable[..., Verdict]
) -> None:
    """Nobody would wake it: it was not parked yet when they came."""
    assert run(lambda _: Parked("capacity", "1 is needed", 30, lacking=1)).retry_seconds == 0
    assert row(seed, ref).state == "open"
    assert run(lambda _: Parked("capacity", "an address is needed", 30)) == Verdict(Next.STOP)
    assert row(seed, ref).state == "parked"


def test_who_still_lacks_gpus_is_parked(seed: Seed, ref: OperationRef, run: Callable[..., Verdict]) -> None:
    with seed.database.transaction() as tx:
        tx.execute(text("UPDATE claims SET released_at = now(), released_because = 'test'"))
    assert run(lambda _: Parked("capacity", "1 is needed", 30, lacking=1)) == Verdict(Next.STOP)
    assert row(seed, ref).parked_for == "capacity"


def test_giving_up_begins_the_roll_back(seed: Seed, ref: OperationRef, run: Callable[..., Verdict]) -> None:
    assert run(lambda _: Failed("no template")) == Verdict(Next.STOP, failure="no template")
    assert row(seed, ref).state == "failed"
    [ring] = seed.bell.rung
    assert (ring.kind, ring.step) == (Kind.ROLL_BACK, Step.SHUTDOWN)
    with seed.database.transaction() as tx:
        assert tx.scalar(select(Vm.failure_reason)) == "no template"
        assert tx.scalar(select(Vm.status)) == "creating", "failed only when nothing is left behind"


def test_a_stale_owner_changes_nothing(seed: Seed, ref: OperationRef, run: Callable[..., Verdict]) -> None:
    def overtaken(_: Work) -> Outcome:
        with seed.database.transaction() as tx:
            tx.execute(update(Operation).values(lease_token=func.gen_random_uuid()))
        return Done(lambda tx, vm: pytest.fail("must not be applied"))

    assert run(overtaken) == Verdict(Next.STOP)
    assert row(seed, ref).step == "reserve"


def test_a_step_that_loses_its_lease_is_cut_short(
    seed: Seed, ref: OperationRef, run: Callable[..., Verdict]
) -> None:
    def wait(work: Work) -> Outcome:
        with seed.database.transaction() as tx:
            tx.execute(update(Operation).values(lease_token=func.gen_random_uuid()))
        work.pause(1000)
        return Done()

    assert run(wait) == Verdict(Next.STOP)


def test_a_change_is_not_even_tried_without_a_lease_that_outlives_it(
    seed: Seed, ref: OperationRef, run: Callable[..., Verdict]
) -> None:
    def act(work: Work) -> Outcome:
        with seed.database.transaction() as tx:
            tx.execute(update(Operation).values(lease_token=func.gen_random_uuid()))
        work._change_seconds = 10  # longer than the lease: it has to be renewed first
        with pytest.raises(LeaseLost):
            work.act(lambda: pytest.fail("must not be called"))
        return Done()

    assert run(act) == Verdict(Next.STOP)


def test_a_destroy_overtakes_a_waiting_step(
    seed: Seed, ref: OperationRef, run: Callable[..., Verdict]
) -> None:
    def wait(work: Work) -> Outcome:
        ask(seed.database, seed.user_id, ref.vm_id, Asked.DESTROY)
        work.pause(1000)
        return Done()

    assert run(wait) == Verdict(Next.STOP)
    assert row(seed, ref).state == "cancelled"
    assert [ring.kind for ring in seed.bell.rung] == [Kind.DESTROY]


def test_a_destroy_keeps_what_the_step_had_done(
    seed: Seed, ref: OperationRef, run: Callable[..., Verdict]
) -> None:
    def finish(work: Work) -> Outcome:
        ask(seed.database, seed.user_id, ref.vm_id, Asked.DESTROY)
        return Done(lambda tx, vm: setattr(vm, "ip_address", "192.0.2.7"))

    assert run(finish) == Verdict(Next.STOP)
    assert row(seed, ref).state == "cancelled"
    with seed.database.transaction() as tx:
        assert tx.scalar(select(Vm.ip_address)) == "192.0.2.7"


def test_a_worker_that_leaves_hands_its_operation_back(
    seed: Seed, ref: OperationRef, keeper: Keeper, run: Callable[..., Verdict]
) -> None:
    def wait(work: Work) -> Outcome:
        threading.Timer(0.1, keeper.shut_down).start()
        work.pause(1000)
        return Done()

    assert run(wait) == Verdict(Next.REQUEUE)
    after = row(seed, ref)
    assert (after.state, after.attempt, after.lease_token) == ("open", 0, None)
    assert run(raising(AssertionError("never run"))) == Verdict(Next.REQUEUE), "nothing new is begun"


def test_handing_back_what_was_lost_meanwhile_changes_nothing(
    seed: Seed, ref: OperationRef, keeper: Keeper, run: Callable[..., Verdict]
) -> None:
    def wait(work: Work) -> Outcome:
        keeper._heartbeat_seconds = 1000
        with seed.database.transaction() as tx:
            tx.execute(update(Operation).values(lease_token=func.gen_random_uuid()))
        keeper.shut_down()
        work.pause(1000)
        return Done()

    assert run(wait) == Verdict(Next.STOP)


def test_leases_are_kept_alive_while_a_step_runs(
    seed: Seed, ref: OperationRef, run: Callable[..., Verdict]
) -> None:
    def wait(work: Work) -> Outcome:
        with seed.database.transaction() as tx:
            tx.execute(update(Operation).values(lease_expires_at=func.now()))
        eventually(lambda: is_kept(seed))
        return Done()

    assert run(wait) == Verdict(Next.GO_ON)


def is_kept(seed: Seed) -> bool:
    with seed.database.transaction() as tx:
        return bool(tx.scalar(select(Operation.lease_expires_at > func.clock_timestamp())))


def eventually(condition: Callable[[], object]) -> None:
    for _ in range(200):
        if condition():
            return
        threading.Event().wait(0.05)
    pytest.fail("in vain for 10 s")


def test_a_database_that_is_away_for_a_moment_does_not_end_the_keeper(
    seed: Seed,
    ref: OperationRef,
    run: Callable[..., Verdict],
    keeper: Keeper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renew, failures, renewed = keeper.renew, [], threading.Event()

    def flaky(held: Any, *, seconds: float) -> None:
        if not failures:
            failures.append(1)
            with seed.database.transaction() as tx:
                tx.execute(select(func.no_such_function()))
        renew(held, seconds=seconds)
        renewed.set()

    monkeypatch.setattr(keeper, "renew", flaky)

    def wait(_: Work) -> Outcome:
        assert renewed.wait(10)
        return Done()

    assert run(wait) == Verdict(Next.GO_ON)
    assert failures


def test_a_step_that_kills_its_worker_again_and_again_is_given_up(
    seed: Seed, ref: OperationRef, run: Callable[..., Verdict]
) -> None:
    with seed.database.transaction() as tx:
        tx.execute(update(Operation).values(attempt=running.MOST_STARTS))
    verdict = run(raising(AssertionError("never run")))
    assert verdict.failure is not None
    assert "was begun 20 times and never ended" in verdict.failure


def test_a_job_that_cannot_be_loaded_is_an_outcome_too(
    seed: Seed, ref: OperationRef, run: Callable[..., Verdict]
) -> None:
    with seed.database.transaction() as tx:
        tx.execute(text("DELETE FROM template_copies"))
    assert run(raising(AssertionError("never run"))).retry_seconds is not None
    assert "Internal error (NoResultFound)" in (row(seed, ref).last_error or "")


def test_bugs_are_not_retried_for_ever(seed: Seed, ref: OperationRef, run: Callable[..., Verdict]) -> None:
    assert run(raising(PveBug("bad parameter"))).failure == "bad parameter"
