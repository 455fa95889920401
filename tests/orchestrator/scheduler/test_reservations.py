"""Terms: owners are told in time, the VM goes on as on_demand, and GPUs without a term are given up."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select, update

from orchestrator.billing.models import Reservation
from orchestrator.catalog.models import GpuType
from orchestrator.scheduler.reservations import end_terms
from orchestrator.vms import operations
from orchestrator.vms.models import Event, Operation
from orchestrator.vms.pipelines import Kind
from orchestrator.vms.statuses import Status
from tests.orchestrator.billing.walks import (
    TO_RUNNING,
    TO_STOPPED,
    bring,
    intervals,
    locked,
    reservation,
    row,
    shift,
    told,
)
from tests.seed import Seed

S = Status
WEEK = 7 * 86_400
NOTHING = "0 terms ended, 0 owners told, 0 stopped VMs give up GPUs"


@pytest.fixture
def vm_id(seed: Seed) -> UUID:
    """A VM reserved for one month, two GPUs, that runs."""
    vm = seed.vm(rental_type="reserved", reservation_months=1, gpu_count=2)
    bring(seed, vm.id, *TO_RUNNING)
    return vm.id


def tick(seed: Seed) -> str | None:
    return end_terms(seed.database, notice_seconds=WEEK)


def under_way(seed: Seed, vm_id: UUID) -> Operation | None:
    with seed.database.transaction() as tx:
        return tx.scalar(select(Operation).where(Operation.vm_id == vm_id, Operation.finished_at.is_(None)))


class TestNotice:
    def test_nothing_happens_in_the_middle_of_a_term(self, seed: Seed, vm_id: UUID) -> None:
        shift(seed, vm_id, timedelta(days=22, hours=23))
        assert tick(seed) == NOTHING

    def test_its_owner_is_told_once_before_the_end(self, seed: Seed, vm_id: UUID) -> None:
        shift(seed, vm_id, timedelta(days=23, hours=1))
        assert tick(seed) == "0 terms ended, 1 owners told, 0 stopped VMs give up GPUs"
        assert tick(seed) == NOTHING
        term = reservation(seed, vm_id)
        assert told(seed, vm_id)[-1] == (
            f"the reservation ends at {term.ends_at:%Y-%m-%dT%H:%M:%SZ}; then its GPUs go on as on_demand "
            "at 1 an hour, and are given up by a stop"
        )
        assert term.ended_at is None

    def test_also_of_a_vm_that_is_off(self, seed: Seed, vm_id: UUID) -> None:
        bring(seed, vm_id, *TO_STOPPED)
        shift(seed, vm_id, timedelta(days=25))
        tick(seed)
        assert reservation(seed, vm_id).told_at is not None


class TestTheEnd:
    def test_the_vm_goes_on_as_on_demand_at_the_present_rate_from_the_end_on(
        self, seed: Seed, vm_id: UUID
    ) -> None:
        with seed.database.transaction() as tx:
            tx.execute(update(GpuType).where(GpuType.id == "5090").values(hourly_rate=Decimal("0.70")))
        shift(seed, vm_id, timedelta(days=30, seconds=30))
        assert tick(seed) == "1 terms ended, 0 owners told, 0 stopped VMs give up GPUs"
        vm, term = row(seed, vm_id), reservation(seed, vm_id)
        assert (vm.status, vm.rental_type, vm.reservation_months) == ("running", "on_demand", None)
        assert vm.reservation_id == term.id
        assert vm.gpu_hourly_rate == Decimal("1.40")
        assert (term.ended_because, term.ended_at, term.cancellation_fee) == ("term", term.ends_at, None)
        with seed.database.transaction() as tx:
            before, after = [one for one in intervals(tx, vm_id) if one.resource == "gpu"]
        assert (before.hourly_rate, before.ended_at) == (Decimal("0.95"), term.ends_at)
        assert (after.hourly_rate, after.started_at, after.ended_at) == (Decimal("1.40"), term.ends_at, None)
        assert "at 1.4 an hour" in told(seed, vm_id)[-1]
        assert under_way(seed, vm_id) is None
        assert tick(seed) == NOTHING

    def test_a_whole_term_costs_what_was_quoted(self, seed: Seed, vm_id: UUID) -> None:
        with seed.database.transaction() as tx:
            tx.execute(
                update(Reservation).values(
                    ends_at=select(Event.at).where(Event.to_status == "running").scalar_subquery()
                    + timedelta(days=30)
                )
            )
        bring(seed, vm_id, *TO_STOPPED)
        shift(seed, vm_id, timedelta(days=30, seconds=30))
        with seed.database.transaction() as tx:  # its stop is as old, so that nothing has changed since
            tx.execute(update(Event).values(at=Event.at - timedelta(minutes=1)))
        tick(seed)
        with seed.database.transaction() as tx:
            [gpu] = [one for one in intervals(tx, vm_id) if one.resource == "gpu"]
        assert gpu.amount == Decimal("0.95") * 720

    def test_a_change_after_the_end_that_was_noticed_late_keeps_its_rate(
        self, seed: Seed, vm_id: UUID
    ) -> None:
        shift(seed, vm_id, timedelta(days=31))
        bring(seed, vm_id, S.OFFLINE, S.RUNNING)
        tick(seed)
        with seed.database.transaction() as tx:
            *_, back = tx.scalars(select(Event.at).where(Event.kind == "status").order_by(Event.id))
        assert reservation(seed, vm_id).ended_at == back

    def test_a_stopped_vm_gives_up_its_gpus_through_a_stop(self, seed: Seed, vm_id: UUID) -> None:
        bring(seed, vm_id, *TO_STOPPED)
        shift(seed, vm_id, timedelta(days=31))
        seed.bell.rung.clear()
        tick(seed)
        operation = under_way(seed, vm_id)
        assert operation is not None
        assert (operation.kind, operation.step, operation.actor) == (Kind.STOP, "shutdown", "innkeeper")
        assert [ring.id for ring in seed.bell.rung] == [operation.id]
        assert row(seed, vm_id).status == "stopped"

    def test_a_create_that_outlasts_its_term_is_not_disturbed(self, seed: Seed) -> None:
        vm = seed.vm(rental_type="reserved", reservation_months=1)
        shift(seed, vm.id, timedelta(days=31))
        tick(seed)
        assert row(seed, vm.id).rental_type == "on_demand"
        operation = under_way(seed, vm.id)
        assert operation is not None
        assert operation.kind == Kind.CREATE

    def test_nor_is_what_is_under_way_with_a_stopped_vm(self, seed: Seed, vm_id: UUID) -> None:
        bring(seed, vm_id, *TO_STOPPED)
        shift(seed, vm_id, timedelta(days=31))
        with seed.database.transaction() as tx:
            asked = operations.begin(tx, locked(tx, vm_id), Kind.DESTROY, actor="test")
        assert tick(seed) == "1 terms ended, 0 owners told, 0 stopped VMs give up GPUs"
        operation = under_way(seed, vm_id)
        assert operation is not None
        assert operation.id == asked.id

    def test_a_vm_that_somebody_works_on_is_left_to_the_next_tick(self, seed: Seed, vm_id: UUID) -> None:
        shift(seed, vm_id, timedelta(days=31))
        with seed.database.transaction() as tx:
            locked(tx, vm_id)
            assert tick(seed) == NOTHING
        assert tick(seed) == "1 terms ended, 0 owners told, 0 stopped VMs give up GPUs"

    def test_a_node_that_was_away_at_the_end_has_its_gpus_given_up_when_it_is_back(
        self, seed: Seed, vm_id: UUID
    ) -> None:
        bring(seed, vm_id, *TO_STOPPED, S.OFFLINE)
        shift(seed, vm_id, timedelta(days=31))
        tick(seed)
        assert under_way(seed, vm_id) is None
        bring(seed, vm_id, S.STOPPED)
        assert tick(seed) == "0 terms ended, 0 owners told, 1 stopped VMs give up GPUs"
        assert under_way(seed, vm_id) is not None
        assert tick(seed) == NOTHING


class TestTheEndOfItsVm:
    def test_a_destroy_by_the_owner_cancels_the_term_for_a_fee(self, seed: Seed, vm_id: UUID) -> None:
        shift(seed, vm_id, timedelta(days=20))
        bring(seed, vm_id, S.DESTROYED, actor=f"user:{seed.user_id}")
        term = reservation(seed, vm_id)
        assert term.ended_because == "cancelled"
        assert term.cancellation_fee == Decimal("57.00")  # 0.95 an hour × 240 h × 25 %
        with seed.database.transaction() as tx:
            assert term.ended_at == tx.scalar(select(Event.at).where(Event.to_status == "destroyed"))

    def test_one_that_never_ran_costs_no_fee(self, seed: Seed) -> None:
        vm = seed.vm(rental_type="reserved", reservation_months=6)
        bring(seed, vm.id, S.DESTROYED, actor=f"user:{seed.user_id}")
        term = reservation(seed, vm.id)
        assert (term.ended_because, term.cancellation_fee) == ("cancelled", 0)

    def test_a_create_that_fails_ends_it_without_a_fee(self, seed: Seed) -> None:
        vm = seed.vm(rental_type="reserved", reservation_months=6)
        bring(seed, vm.id, S.FAILED)
        term = reservation(seed, vm.id)
        assert (term.ended_because, term.cancellation_fee) == ("failed", None)
        bring(seed, vm.id, S.DESTROYED, actor=f"user:{seed.user_id}")
        assert reservation(seed, vm.id).ended_because == "failed"

    def test_so_does_a_removal_by_somebody_else(self, seed: Seed, vm_id: UUID) -> None:
        bring(seed, vm_id, S.OFFLINE, S.DESTROYED, actor="operator")
        term = reservation(seed, vm_id)
        assert (term.ended_because, term.cancellation_fee) == ("failed", None)

    def test_after_the_term_nothing_more_is_owed(self, seed: Seed, vm_id: UUID) -> None:
        shift(seed, vm_id, timedelta(days=31))
        tick(seed)
        bring(seed, vm_id, S.DESTROYED, actor=f"user:{seed.user_id}")
        assert reservation(seed, vm_id).ended_because == "term"
