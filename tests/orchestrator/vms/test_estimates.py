"""What operations took: medians by step of the last ones, of the node or else of all."""

from datetime import timedelta

import pytest
from sqlalchemy import func, insert

from orchestrator.policy.estimates import Estimate, Usual, duration
from orchestrator.vms.estimates import SAMPLES, usual
from orchestrator.vms.models import Event, Operation, Vm
from orchestrator.vms.pipelines import PIPELINES, Kind, Step
from tests.orchestrator.scheduler.life import Life


def done(life: Life, vm: Vm, *seconds: float, kind: Kind = Kind.CREATE, ago: float = 1000) -> None:
    """An operation that ended well; each step took so many seconds."""
    with life.seed.database.transaction() as tx:
        began = func.now() - timedelta(seconds=ago)
        operation = Operation(
            vm_id=vm.id,
            node_id=vm.node_id,
            kind=kind.value,
            step=PIPELINES[kind].steps[-1].value,
            state="done",
            actor="test",
            created_at=began,
            finished_at=began + timedelta(seconds=sum(seconds)),
        )
        tx.add(operation)
        tx.flush()
        passed = 0.0
        for step, took in zip(PIPELINES[kind].steps, seconds, strict=True):
            passed += took
            for at in (passed - took / 2, passed):  # a first attempt, and the end
                tx.execute(
                    insert(Event).values(
                        vm_id=vm.id,
                        operation_id=operation.id,
                        at=began + timedelta(seconds=at),
                        actor="test",
                        kind="step",
                        step=step.value,
                        text="test",
                    )
                )


def read(life: Life, node: str = "vm01") -> Usual:
    with life.seed.database.snapshot() as tx:
        return usual(tx, node)


@pytest.fixture
def vm(life: Life) -> Vm:
    return life.vm()


def test_medians_by_step(life: Life, vm: Vm) -> None:
    for clone in (10, 30, 20):
        done(life, vm, 1, clone, 2, 40, 5)
    sample = read(life).samples[Kind.CREATE]
    assert (sample.count, sample.where) == (3, "vm01")
    assert sample.steps == {
        Step.RESERVE: pytest.approx(1),
        Step.CLONE: pytest.approx(20),
        Step.CONFIGURE: pytest.approx(2),
        Step.BOOT: pytest.approx(40),
        Step.PROBE: pytest.approx(5),
    }


def test_only_the_last_ones_count(life: Life, vm: Vm) -> None:
    for _ in range(3):
        done(life, vm, 1, 1, 1, 500, 1, ago=100_000)
    for _ in range(SAMPLES):
        done(life, vm, 1, 1, 1, 7, 1)
    sample = read(life).samples[Kind.CREATE]
    assert (sample.count, sample.steps[Step.BOOT]) == (SAMPLES, pytest.approx(7))


def test_a_node_without_experience_uses_that_of_all(life: Life, vm: Vm) -> None:
    done(life, vm, 1, 10, 1, 10, 1)
    assert read(life, "vm02").samples[Kind.CREATE].where == "all nodes"


def test_what_failed_or_goes_on_does_not_count(life: Life, vm: Vm) -> None:
    assert read(life).samples == {}
    assert read(life).left(Kind.CREATE, Step.CLONE) == Estimate(
        None, "no create has ended well yet that would show how long one takes"
    )


def test_the_rest_of_an_operation(life: Life, vm: Vm) -> None:
    done(life, vm, 100, 10, 2, 40, 5)
    seen = read(life)
    assert seen.left(Kind.CREATE, Step.RESERVE, elapsed=50).seconds == pytest.approx(57)
    assert seen.left(Kind.CREATE, Step.BOOT, elapsed=15).seconds == pytest.approx(30)
    late = seen.left(Kind.CREATE, Step.BOOT, elapsed=100)
    assert late.seconds == pytest.approx(5)
    assert late.basis == (
        "boot 0 s, probe 5 s (medians of the last 1 of kind create, vm01); boot takes longer than usual"
    )


def test_one_after_the_other() -> None:
    some, more, unknown = Estimate(1, "one"), Estimate(2, "two"), Estimate(None, "why")
    assert some.then(more) == Estimate(3, "one; then two")
    assert Estimate(0, "").then(some) == some
    assert unknown.then(some) == unknown
    assert some.then(unknown) == Estimate(None, "one; then why")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (179, "179 s"), (180, "3 min"), (7200, "120 min"), (10800, "3 h")]
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
