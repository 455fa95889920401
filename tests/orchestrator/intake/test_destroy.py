"""A delete is accepted in every status, merged with what runs, and never lost."""

from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from orchestrator.errors import NotFound
from orchestrator.gpus import claims
from orchestrator.intake.asking import ask
from orchestrator.intake.lifecycle import Asked
from orchestrator.vms import operations
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.pipelines import Kind, Step
from tests.seed import Seed


def destroy(seed: Seed, vm: Vm, user_id: int | None = None) -> None:
    ask(seed.database, user_id or seed.user_id, vm.id, Asked.DESTROY)


def history(seed: Seed) -> list[tuple[str, str]]:
    with seed.database.transaction() as tx:
        rows = tx.execute(select(Operation.kind, Operation.state).order_by(Operation.created_at))
        return [(kind, state) for kind, state in rows]


def test_a_waiting_create_is_overtaken_at_once(seed: Seed) -> None:
    vm = seed.vm()
    destroy(seed, vm)
    assert history(seed) == [("create", "cancelled"), ("destroy", "open")]
    assert seed.bell.rung[-1].kind is Kind.DESTROY


def test_the_destroy_knows_what_the_overtaken_operation_left_running(seed: Seed) -> None:
    vm = seed.vm()
    with seed.database.transaction() as tx:
        tx.execute(update(Operation).values(memo={"clone_upid": "UPID:1"}))
    destroy(seed, vm)
    with seed.database.transaction() as tx:
        assert tx.scalars(select(Operation.memo).where(Operation.kind == "destroy")).one() == {
            "clone_upid": "UPID:1"
        }


def test_a_running_step_is_asked_to_end_at_its_next_safe_point(seed: Seed) -> None:
    vm = seed.vm()
    with seed.database.transaction() as tx:
        operations.take(tx, seed.bell.rung[0].id, Step.RESERVE, owner="w", seconds=60)
    destroy(seed, vm)
    assert history(seed) == [("create", "open")]
    with seed.database.transaction() as tx:
        assert tx.scalars(select(Operation.cancel_requested_by)).one() == f"user:{seed.user_id}"


def test_asking_twice_changes_nothing(seed: Seed) -> None:
    vm = seed.vm()
    destroy(seed, vm)
    destroy(seed, vm)
    assert history(seed) == [("create", "cancelled"), ("destroy", "open")]


def test_a_vm_with_nothing_under_way_gets_a_destroy(seed: Seed) -> None:
    vm = seed.vm()
    with seed.database.transaction() as tx:
        tx.execute(update(Operation).values(state="done", finished_at=func.now()))
    destroy(seed, vm)
    assert history(seed) == [("create", "done"), ("destroy", "open")]


def test_a_destroyed_vm_stays_destroyed(seed: Seed) -> None:
    vm = seed.vm()
    with seed.database.transaction() as tx:
        tx.execute(update(Operation).values(state="done", finished_at=func.now()))
        row = tx.get_one(Vm, vm.id)
        claims.release(tx, row, because="test")
        row.status = "destroyed"
    destroy(seed, vm)
    assert history(seed) == [("create", "done")]


def test_somebody_elses_vm_is_not_there(seed: Seed) -> None:
    vm = seed.vm()
    with pytest.raises(NotFound):
        destroy(seed, vm, user_id=seed.user_id + 1)
    with pytest.raises(NotFound):
        ask(seed.database, seed.user_id, uuid4(), Asked.DESTROY)
    assert history(seed) == [("create", "open")]
