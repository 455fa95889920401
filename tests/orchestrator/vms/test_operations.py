"""The operation row: leases, guarded effects, waking."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, update
from sqlalchemy.exc import IntegrityError

from orchestrator.errors import LeaseLost
from orchestrator.vms import operations, waking
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.operations import Lease, OperationRef
from orchestrator.vms.pipelines import PIPELINES, Kind, Step
from tests.seed import Seed


@pytest.fixture
def ref(seed: Seed) -> OperationRef:
    seed.vm()
    return seed.bell.rung[0]


def take(seed: Seed, ref: OperationRef, step: Step = Step.RESERVE, seconds: float = 60) -> Lease | None:
    with seed.database.transaction() as tx:
        return operations.take(tx, ref.id, step, owner="test", seconds=seconds)


def row(seed: Seed, ref: OperationRef) -> Operation:
    with seed.database.transaction() as tx:
        return tx.get_one(Operation, ref.id)


def woken(seed: Seed) -> list[OperationRef]:
    seed.bell.rung.clear()
    with seed.database.transaction() as tx:
        count = waking.wake_due(tx, ring_again_seconds=4)
    assert count == len(seed.bell.rung)
    return list(seed.bell.rung)


def later(seed: Seed, **values: object) -> None:
    with seed.database.transaction() as tx:
        tx.execute(update(Operation).values(**values))


def test_only_one_can_take_it(seed: Seed, ref: OperationRef) -> None:
    first = take(seed, ref)
    assert first is not None
    assert first.operation.attempt == 1
    assert take(seed, ref) is None


def test_an_expired_lease_may_be_taken_and_its_owner_changes_nothing(seed: Seed, ref: OperationRef) -> None:
    stale = take(seed, ref, seconds=-1)
    fresh = take(seed, ref)
    assert stale is not None
    assert fresh is not None
    assert fresh.operation.attempt == 2
    with pytest.raises(LeaseLost, match="newer owner"), seed.database.transaction() as tx:
        operations.remember(tx, stale, {"clone_upid": "lost"})
    assert row(seed, ref).memo == {}


def test_another_step_or_a_later_time_is_not_taken(seed: Seed, ref: OperationRef) -> None:
    assert take(seed, ref, Step.CLONE) is None
    later(seed, not_before=func.now() + timedelta(seconds=30))
    assert take(seed, ref) is None


def test_a_retry_that_comes_a_moment_early_is_taken(seed: Seed, ref: OperationRef) -> None:
    later(seed, not_before=func.now() + timedelta(seconds=0.3))
    assert take(seed, ref) is not None


def test_the_lease_tells_how_long_the_step_has_been_tried(seed: Seed, ref: OperationRef) -> None:
    later(seed, step_started_at=func.now() - timedelta(seconds=100))
    lease = take(seed, ref)
    assert lease is not None
    assert 100 <= lease.step_age_seconds < 110


def test_extending_tells_lost_and_overtaken_leases(seed: Seed, ref: OperationRef) -> None:
    lease = take(seed, ref)
    assert lease is not None
    stranger = uuid4()
    with seed.database.transaction() as tx:
        assert operations.extend(tx, [lease.token, stranger], seconds=60) == {lease.token: False}
    later(seed, cancel_requested_by="user:1", overtaken_by="destroy")
    with seed.database.transaction() as tx:
        assert operations.extend(tx, [lease.token], seconds=60) == {lease.token: True}


def test_the_memo_keeps_facts_and_forgets_on_none(seed: Seed, ref: OperationRef) -> None:
    lease = take(seed, ref)
    assert lease is not None
    with seed.database.transaction() as tx:
        operations.remember(tx, lease, {"clone_upid": "UPID:1", "seen": True})
        operations.remember(tx, lease, {"clone_upid": None})
    assert row(seed, ref).memo == {"seen": True}


def test_a_vm_has_one_live_operation(seed: Seed, ref: OperationRef) -> None:
    with (
        pytest.raises(IntegrityError, match="uq_operations_one_live_a_vm"),
        seed.database.transaction() as tx,
    ):
        operations.begin(tx, tx.get_one(Vm, ref.vm_id), Kind.DESTROY, actor="test")


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"step": "shutdown"}, "step_belongs_to_kind"),
        ({"state": "parked"}, "parked_says_for_what"),
        ({"state": "done"}, "finished_has_a_time"),
        ({"lease_token": uuid4()}, "lease_has_an_end"),
        ({"attempt": -1}, "counters_are_not_negative"),
        ({"kind": "dance"}, "kind_is_known"),
    ],
)
def test_the_database_refuses_impossible_rows(
    seed: Seed, ref: OperationRef, values: dict[str, object], rule: str
) -> None:
    with pytest.raises(IntegrityError, match=rule):
        later(seed, **values)


class TestWake:
    def test_a_row_whose_message_was_just_sent_is_left_alone(self, seed: Seed, ref: OperationRef) -> None:
        assert woken(seed) == []

    def test_a_row_whose_message_got_no_answer_is_rung_for(self, seed: Seed, ref: OperationRef) -> None:
        later(seed, rung_at=func.now() - timedelta(seconds=5))
        assert [one.id for one in woken(seed)] == [ref.id]
        assert woken(seed) == []

    def test_each_ring_is_given_twice_the_time_up_to_sixteen_times(
        self, seed: Seed, ref: OperationRef
    ) -> None:
        for rings, seconds in ((1, 4), (2, 8), (3, 16), (5, 64), (9, 64)):
            later(seed, rings=rings, rung_at=func.now() - timedelta(seconds=seconds - 1))
            assert woken(seed) == [], f"{rings} rings, too early"
            later(seed, rings=rings, rung_at=func.now() - timedelta(seconds=seconds + 1))
            assert len(woken(seed)) == 1, f"{rings} rings, due"

    def test_a_held_row_is_left_alone_until_its_lease_ends(self, seed: Seed, ref: OperationRef) -> None:
        take(seed, ref)
        assert woken(seed) == []
        later(seed, lease_expires_at=func.now() - timedelta(seconds=1))
        assert [one.attempt for one in woken(seed)] == [2]

    def test_a_parked_row_is_opened_when_it_is_due(self, seed: Seed, ref: OperationRef) -> None:
        later(
            seed, state="parked", parked_for="node", rung_at=None, not_before=func.now() + timedelta(hours=1)
        )
        assert woken(seed) == []
        with seed.database.transaction() as tx:
            waking.wake_parked(tx, node_id="vm01", wanted="node")
        assert [one.id for one in seed.bell.rung] == [ref.id]
        assert row(seed, ref).state == "open"


def test_the_rest_of_a_pipeline() -> None:
    create = PIPELINES[Kind.CREATE]
    assert create.rest(Step.BOOT) == (Step.BOOT, Step.PROBE)
    assert create.after(Step.BOOT) is Step.PROBE
    assert create.after(Step.PROBE) is None


def test_what_cleans_up_never_gives_up() -> None:
    given_up = {kind: pipeline.undo[0] for kind, pipeline in PIPELINES.items() if pipeline.undo}
    assert given_up == {
        Kind.CREATE: Kind.ROLL_BACK,
        Kind.START: Kind.STOP,
        Kind.RESTART: Kind.STOP,
        Kind.RESTORE: Kind.INTERRUPT,
    }


def test_what_cleans_up_cannot_be_given_up(seed: Seed) -> None:
    vm = seed.vm()
    with seed.database.transaction() as tx:
        tx.execute(update(Operation).values(state="done", finished_at=func.now()))
        row = tx.get_one(Vm, vm.id)
        operation = operations.begin(tx, row, Kind.DESTROY, actor="test")
        with pytest.raises(ValueError, match="may not be given up"):
            operations.give_up(tx, operation, row, reason="test")
