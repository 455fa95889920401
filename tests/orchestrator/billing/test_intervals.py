"""What is charged equals the time line, to the microsecond, whatever happens."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from threading import Barrier
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

from orchestrator.billing import handover
from orchestrator.billing.models import Reservation, UsageInterval
from orchestrator.errors import StateConflict
from orchestrator.gpus import claims
from orchestrator.store.database import Transaction
from orchestrator.vms import transitions
from orchestrator.vms.models import Vm
from orchestrator.vms.statuses import ENDED, TRANSITIONS, Status
from orchestrator.vms.transitions import move
from tests.orchestrator.billing.walks import (
    TO_RUNNING,
    TO_STOPPED,
    bring,
    intervals,
    locked,
    status_events,
    times,
    undone,
)
from tests.seed import Seed

S = Status
MICROSECOND = timedelta(microseconds=1)


class TestOneVm:
    def test_a_create_that_fails_costs_nothing(self, seed: Seed) -> None:
        vm = seed.vm()
        bring(seed, vm.id, S.STARTING, S.STOPPING, S.OFFLINE, S.FAILED)
        with seed.database.transaction() as tx:
            assert intervals(tx, vm.id) == []

    def test_intervals_begin_and_end_at_the_very_moments_of_the_events(self, seed: Seed) -> None:
        vm = seed.vm(gpu_count=2, storage_gb=100)
        bring(seed, vm.id, *TO_RUNNING, *TO_STOPPED, S.DESTROYED)
        with seed.database.transaction() as tx:
            at = {event.to_status: event.at for event in status_events(tx, vm.id)}
            [gpu, storage] = sorted(intervals(tx, vm.id), key=lambda interval: interval.resource)
        assert (gpu.started_at, gpu.ended_at) == (at["running"], at["stopping"])
        assert (storage.started_at, storage.ended_at) == (at["running"], at["destroyed"])
        assert (gpu.quantity, gpu.hourly_rate) == (2, Decimal("1.00"))
        assert (storage.quantity, storage.hourly_rate) == (100, Decimal("0.01"))
        assert {gpu.user_id, storage.user_id} == {seed.user_id}

    def test_amounts_are_exact_decimals(self, seed: Seed) -> None:
        vm = seed.vm()
        began = datetime.fromisoformat("2026-01-01T00:00:00Z")
        with seed.database.transaction() as tx:
            tx.execute(
                insert(UsageInterval).values(
                    vm_id=vm.id,
                    user_id=seed.user_id,
                    resource="gpu",
                    quantity=1,
                    hourly_rate=Decimal("0.69"),
                    started_at=began,
                    ended_at=began + timedelta(hours=1, microseconds=20_000),
                )
            )
            [interval] = intervals(tx, vm.id)
            assert interval.amount == Decimal("0.690004")

    def test_a_clock_that_is_set_back_stops_no_change(
        self, seed: Seed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vm = seed.vm()
        bring(seed, vm.id, *TO_RUNNING)
        with seed.database.transaction() as tx:
            later = "interval '1 hour'"
            tx.execute(text(f"UPDATE events SET at = at + {later} WHERE to_status = 'running'"))
            tx.execute(text(f"UPDATE usage_intervals SET started_at = started_at + {later}"))
        bring(seed, vm.id, S.STOPPING)
        with seed.database.transaction() as tx:
            [gpu] = [one for one in intervals(tx, vm.id) if one.resource == "gpu"]
        assert gpu.ended_at == gpu.started_at

    def test_a_transaction_that_is_rolled_back_charges_nothing(self, seed: Seed) -> None:
        vm = seed.vm()
        with undone(seed) as tx:
            for status in TO_RUNNING:
                move(tx, locked(tx, vm.id), status, actor="test", cause="test")
            assert len(intervals(tx, vm.id)) == 2
        with seed.database.transaction() as tx:
            assert intervals(tx, vm.id) == []

    def test_an_illegal_move_charges_nothing(self, seed: Seed) -> None:
        vm = seed.vm()
        with pytest.raises(StateConflict), seed.database.transaction() as tx:
            move(tx, locked(tx, vm.id), S.RUNNING, actor="test", cause="test")
        with seed.database.transaction() as tx:
            assert intervals(tx, vm.id) == []

    def test_two_transitions_at_once_are_charged_one_after_the_other(self, seed: Seed) -> None:
        vm = seed.vm()
        bring(seed, vm.id, *TO_RUNNING)
        together = Barrier(2)

        def leave(status: Status) -> None:
            together.wait()
            with seed.database.transaction() as tx:
                move(tx, locked(tx, vm.id), status, actor="test", cause="test")

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(leave, status) for status in (S.OFFLINE, S.STOPPING)]:
                done.result()
        with seed.database.transaction() as tx:
            *_, first, second = status_events(tx, vm.id)
            [gpu, storage] = sorted(intervals(tx, vm.id), key=lambda interval: interval.resource)
        assert first.at <= second.at
        assert gpu.ended_at == first.at
        assert storage.ended_at is None

    def test_the_database_refuses_to_charge_twice_for_one_moment(self, seed: Seed) -> None:
        vm = seed.vm()
        bring(seed, vm.id, *TO_RUNNING, S.STOPPING)
        with seed.database.transaction() as tx:
            [gpu] = [one for one in intervals(tx, vm.id) if one.resource == "gpu"]
        again = {
            "vm_id": vm.id,
            "user_id": seed.user_id,
            "resource": "gpu",
            "quantity": 1,
            "hourly_rate": 1,
            "started_at": gpu.ended_at - MICROSECOND,
        }
        with (
            pytest.raises(IntegrityError, match="nothing_is_charged_twice"),
            seed.database.transaction() as tx,
        ):
            tx.execute(insert(UsageInterval).values(again))
        with seed.database.transaction() as tx:
            tx.execute(insert(UsageInterval).values(again | {"started_at": gpu.ended_at}))


LAST = 40
"""The choice that may end a VM; the others keep it going."""

STEPS = st.lists(
    st.tuples(
        st.integers(0, LAST),
        st.integers(0, 3) | st.integers(0, 600_000_000) | st.integers(0, 40 * 86_400_000_000),
        st.sampled_from(["move"] * 6 + ["term ends", "cancel"]),
    ),
    max_size=25,
)


@given(rental_type=st.sampled_from(["on_demand", "interruptible", "reserved"]), steps=STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_on_any_walk_the_sums_are_those_of_the_time_line(
    seed: Seed, vms: dict[str, UUID], clock: "Clock", rental_type: str, steps: list[tuple[int, int, str]]
) -> None:
    vm_id = vms[rental_type]
    with undone(seed) as tx:
        vm = locked(tx, vm_id)
        agreed = vm.gpu_hourly_rate
        clock.begin(vm.created_at + timedelta(hours=1))
        vm.failure_reason = "for the test"
        claims.release(tx, vm, because="test")
        for choice, microseconds, what in steps:
            clock.advance(microseconds)
            if vm.status in ENDED:
                break
            walk(tx, vm, choice, what, clock)
        clock.advance(1)
        if vm.status not in ENDED:
            move(tx, vm, S.DESTROYED, actor="test", cause="test")
        compare(tx, vm, agreed)


def walk(tx: Transaction, vm: Vm, choice: int, what: str, clock: "Clock") -> None:
    """One change: a legal move, or the end of the term."""
    if what == "move" or vm.rental_type != "reserved":
        legal = TRANSITIONS[Status(vm.status)]
        allowed = sorted(legal if choice == LAST else legal - ENDED)
        move(tx, vm, allowed[choice % len(allowed)], actor=f"user:{vm.user_id}", cause="test")
    elif what == "cancel":
        assert vm.reservation_id is not None
        handover.cancel(tx, vm.user_id, vm.reservation_id)
    else:
        reservation = tx.get_one(Reservation, vm.reservation_id)
        reservation.ends_at = clock.now - timedelta(minutes=choice)  # it is noticed late
        handover.end(tx, vm, reservation)


def compare(tx: Transaction, vm: Vm, agreed: Decimal) -> None:
    """An independent fold over the time line against the intervals."""
    term = tx.get(Reservation, vm.reservation_id) if vm.reservation_id else None
    term_end = term.ended_at if term is not None else None
    expected: Counter[tuple[str, Decimal]] = Counter()
    events = status_events(tx, vm.id)
    has_run = False
    for event, following in pairwise(events):
        has_run = has_run or event.to_status == "running"
        if not has_run:
            continue
        whole = (following.at - event.at) // MICROSECOND
        expected["storage", vm.storage_hourly_rate] += whole
        reserved = 0
        if term_end is not None:
            reserved = min(max((term_end - event.at) // MICROSECOND, 0), whole)
        if event.to_status != "offline":
            expected["gpu", agreed] += reserved
        if event.to_status == "running":
            expected["gpu", vm.gpu_hourly_rate] += whole - reserved
    assert times(tx, vm.id) == +expected
    for interval in intervals(tx, vm.id):
        assert interval.ended_at is not None
        microseconds = (interval.ended_at - interval.started_at) // MICROSECOND
        exact = Decimal(microseconds) * interval.hourly_rate / 3_600_000_000
        assert interval.amount == exact.quantize(Decimal("0.000001"), ROUND_HALF_UP)


class Clock:
    """The database's, as far as the code under test can tell."""

    def begin(self, at: datetime) -> None:
        self.now = at

    def advance(self, microseconds: int) -> None:
        self.now += timedelta(microseconds=microseconds)

    def moment(self, _tx: Transaction, _vm_id: UUID) -> datetime:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (transitions, handover):
        monkeypatch.setattr(module, "moment", clock.moment)
    return clock


@pytest.fixture
def vms(seed: Seed) -> dict[str, UUID]:
    """One VM of each rental type, just accepted."""
    kinds: dict[str, dict[str, object]] = {
        "on_demand": {},
        "interruptible": {},
        "reserved": {"reservation_months": 1},
    }
    return {kind: seed.vm(rental_type=kind, **more).id for kind, more in kinds.items()}
