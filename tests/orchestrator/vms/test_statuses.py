"""The table of transitions, here and in the database."""

from itertools import product
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from orchestrator.errors import StateConflict
from orchestrator.store.database import Database
from orchestrator.vms.models import Event, StatusTransition, Vm
from orchestrator.vms.statuses import ENDED, TRANSITIONS, Status
from orchestrator.vms.transitions import move
from tests.seed import Seed


def test_the_database_holds_the_same_table(database: Database) -> None:
    with database.transaction() as tx:
        rows = {
            tuple(row) for row in tx.execute(select(StatusTransition.from_status, StatusTransition.to_status))
        }
    assert rows == {(before.value, after.value) for before, afters in TRANSITIONS.items() for after in afters}


def test_every_status_may_be_destroyed_but_destroyed_itself() -> None:
    assert all(Status.DESTROYED in TRANSITIONS[s] for s in Status if s is not Status.DESTROYED)
    assert not TRANSITIONS[Status.DESTROYED]


def test_the_database_refuses_what_the_table_does_not_allow(seed: Seed) -> None:
    vm = seed.vm()
    for before, after in product(Status, Status):
        assert _database_allows(seed.database, vm.id, before, after) == (
            before == after or after in TRANSITIONS[before]
        ), f"{before} -> {after}"


def _database_allows(database: Database, vm_id: UUID, before: Status, after: Status) -> bool:
    with database.engine.connect() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # no triggers
        connection.execute(
            update(Vm).values(
                status=before.value, status_before_offline=_before(before), failure_reason="test"
            )
        )
        connection.execute(text("SET LOCAL session_replication_role = origin"))
        try:
            values = {"status": after.value, "status_before_offline": _before(after)}
            connection.execute(update(Vm).where(Vm.id == vm_id).values(values))
        except IntegrityError as error:
            return "may not go from" not in str(error)
        return True


def _before(status: Status) -> str | None:
    return "running" if status is Status.OFFLINE else None


def test_a_move_writes_one_event_with_actor_and_cause(seed: Seed) -> None:
    vm_id = seed.vm().id
    with seed.database.transaction() as tx:
        vm = tx.get_one(Vm, vm_id)
        move(tx, vm, Status.STARTING, actor="user:7", cause="because")
        move(tx, vm, Status.STARTING, actor="user:7", cause="again")
    with seed.database.transaction() as tx:
        events = tx.scalars(select(Event).where(Event.kind == "status")).all()
        assert [(e.from_status, e.to_status, e.actor, e.text) for e in events] == [
            ("creating", "starting", "user:7", "because")
        ]


def test_an_illegal_move_is_refused_in_words(seed: Seed) -> None:
    vm_id = seed.vm().id
    with (
        pytest.raises(StateConflict, match="is creating and cannot become stopped"),
        seed.database.transaction() as tx,
    ):
        move(tx, tx.get_one(Vm, vm_id), Status.STOPPED, actor="test", cause="test")


@pytest.mark.parametrize("status", sorted(ENDED))
def test_a_vm_cannot_end_while_it_holds_gpus(seed: Seed, status: Status) -> None:
    vm = seed.vm()
    with (
        pytest.raises(IntegrityError, match="still holds GPUs"),
        seed.database.transaction() as tx,
    ):
        tx.execute(update(Vm).where(Vm.id == vm.id).values(status=status.value, failure_reason="test"))
