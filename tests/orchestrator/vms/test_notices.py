"""Notice to one VM: given once to one that runs, called off only while it can be."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from orchestrator.store.database import Transaction
from orchestrator.vms import notices, operations
from orchestrator.vms.models import Interruption, Operation, Vm
from orchestrator.vms.pipelines import Kind
from orchestrator.vms.statuses import Status
from orchestrator.vms.transitions import move
from tests.seed import Seed


@pytest.fixture
def vm(seed: Seed) -> Vm:
    """An interruptible VM that runs undisturbed."""
    vm = seed.vm(rental_type="interruptible")
    with seed.database.transaction() as tx:
        tx.execute(update(Operation).values(state="done", finished_at=func.now()))
        row = tx.get_one(Vm, vm.id)
        for status in (Status.STARTING, Status.RUNNING):
            move(tx, row, status, actor="innkeeper", cause="test")
    return vm


def give(seed: Seed, vm: Vm) -> bool:
    with seed.database.transaction() as tx:
        return notices.give(tx, tx.get_one(Vm, vm.id), cause="drain", seconds=120) is not None


def call_off(seed: Seed, vm: Vm) -> bool:
    with seed.database.transaction() as tx:
        return notices.call_off(tx, tx.get_one(Vm, vm.id))


def states(seed: Seed) -> list[str]:
    with seed.database.transaction() as tx:
        return list(tx.scalars(select(Interruption.state)))


def test_it_is_given_once(seed: Seed, vm: Vm) -> None:
    assert give(seed, vm)
    assert not give(seed, vm)
    assert states(seed) == ["announced"]


@pytest.mark.parametrize("kind", [Kind.RESTART, Kind.INTERRUPT])
def test_a_vm_in_other_hands_is_given_none(seed: Seed, vm: Vm, kind: Kind) -> None:
    with seed.database.transaction() as tx:
        operations.begin(tx, tx.get_one(Vm, vm.id), kind, actor="user:1")
    assert not give(seed, vm)
    assert states(seed) == []


def test_one_that_is_in_an_interruption_already_is_given_none(seed: Seed, vm: Vm) -> None:
    give(seed, vm)
    with seed.database.transaction() as tx:
        tx.execute(update(Operation).values(state="done", finished_at=func.now()))
    assert not give(seed, vm)


def test_calling_off_lets_it_run_on_and_another_notice_may_follow(seed: Seed, vm: Vm) -> None:
    give(seed, vm)
    assert call_off(seed, vm)
    assert not call_off(seed, vm)
    assert states(seed) == ["cancelled"]
    assert give(seed, vm)


def leased(tx: Transaction) -> None:
    operation_id, step = tx.execute(
        select(Operation.id, Operation.step).where(Operation.finished_at.is_(None))
    ).one()
    operations.take(tx, operation_id, step=operations.Step(step), owner="test", seconds=60)


def over(tx: Transaction) -> None:
    tx.execute(update(Interruption).values(notice_until=func.now() - timedelta(seconds=1)))


def overtaken(tx: Transaction) -> None:
    tx.execute(update(Operation).values(cancel_requested_by="user:1", overtaken_by="stop"))


def winding_down(tx: Transaction) -> None:
    tx.execute(update(Operation).where(Operation.kind == "interrupt").values(step="shutdown"))


@pytest.mark.parametrize("late", [leased, over, overtaken, winding_down])
def test_what_can_not_be_called_off_any_more(seed: Seed, vm: Vm, late: Callable[[Transaction], None]) -> None:
    give(seed, vm)
    with seed.database.transaction() as tx:
        late(tx)
    assert not call_off(seed, vm)
    with seed.database.transaction() as tx:
        assert not notices.hand_over(tx, tx.get_one(Vm, vm.id), vm.id)
    assert states(seed) == ["announced"]
