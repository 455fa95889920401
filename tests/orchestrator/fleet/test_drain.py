"""A node that is drained takes nothing new, and empties by notice if asked."""

from uuid import UUID

import pytest
from sqlalchemy import select

from orchestrator.errors import NotFound, StateConflict
from orchestrator.fleet import drain
from orchestrator.scheduler.watch import empty_nodes
from orchestrator.store.database import Transaction
from orchestrator.vms.locks import lock_if_free
from orchestrator.vms.models import Vm
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import Status
from tests.orchestrator.fleet.watched import Fleet

S = Status


def drain_node(fleet: Fleet, *, interrupts: bool = False) -> None:
    with fleet.seed.database.transaction() as tx:
        drain.drain(tx, "vm01", interrupts=interrupts)


def undrain_node(fleet: Fleet) -> None:
    with fleet.seed.database.transaction() as tx:
        drain.undrain(tx, "vm01")


def give(fleet: Fleet) -> str | None:
    return empty_nodes(fleet.seed.database, notice_seconds=120)


def test_it_takes_no_new_vms_until_it_is_in_service_again(fleet: Fleet) -> None:
    drain_node(fleet)
    with pytest.raises(StateConflict, match="drained"):
        fleet.seed.vm()
    assert fleet.seed.vm(node="vm02")
    with fleet.seed.database.transaction() as tx:
        drain.undrain(tx, "vm01")
    assert fleet.seed.vm()
    assert not fleet.node().interrupts


def test_what_runs_goes_on(fleet: Fleet) -> None:
    vm_id = fleet.vm(S.RUNNING, rental_type="interruptible")
    drain_node(fleet)
    assert give(fleet) == "0 VMs were given notice, 0 notices called off"
    assert fleet.kind(vm_id) is None


class TestInterrupting:
    def test_interruptible_vms_get_their_whole_notice_once(self, fleet: Fleet) -> None:
        here = fleet.vm(S.RUNNING, rental_type="interruptible")
        paying, there = fleet.vm(S.RUNNING), fleet.vm(S.RUNNING, node="vm02", rental_type="interruptible")
        drain_node(fleet, interrupts=True)
        assert give(fleet) == "1 VMs were given notice, 0 notices called off"
        assert give(fleet) == "0 VMs were given notice, 0 notices called off"
        assert fleet.kind(here) == ("interrupt", "announce")
        record = fleet.interruption(here)
        assert record is not None
        assert record.cause == "drain"
        assert (record.notice_until - record.announced_at).total_seconds() == pytest.approx(120, abs=10)
        assert [fleet.kind(vm_id) for vm_id in (paying, there)] == [None, None]

    def test_nobody_gets_notice_once_the_drain_has_ended(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vm_id = fleet.vm(S.RUNNING, rental_type="interruptible")
        drain_node(fleet, interrupts=True)
        lock = drain.lock_if_free

        def too_late(tx: Transaction, vm_id: UUID) -> Vm | None:
            with fleet.seed.database.transaction() as other:
                drain.undrain(other, "vm01")
            return lock(tx, vm_id)

        monkeypatch.setattr(drain, "lock_if_free", too_late)
        assert give(fleet) == "0 VMs were given notice, 0 notices called off"
        assert fleet.kind(vm_id) is None

    def test_when_it_ends_notices_are_called_off(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING, rental_type="interruptible")
        drain_node(fleet, interrupts=True)
        give(fleet)
        assert drain.call_off_notices(fleet.seed.database) == 0, "the drain goes on"
        undrain_node(fleet)
        assert give(fleet) == "0 VMs were given notice, 1 notices called off"
        assert fleet.kind(vm_id) is None
        assert fleet.row(vm_id).status == "running"
        assert any("its node is in service again, and it runs on" in line for line in fleet.told(vm_id))

    def test_they_run_on_where_somebody_who_pays_waits(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING, rental_type="interruptible")
        fleet.vm(S.RUNNING, rental_type="interruptible", gpu_count=4)
        fleet.vm(S.CREATING, under_way=(Kind.CREATE, Step.RESERVE), gpu_count=8)
        drain_node(fleet, interrupts=True)
        give(fleet)
        undrain_node(fleet)
        assert drain.call_off_notices(fleet.seed.database) == 0
        assert fleet.kind(vm_id) == ("interrupt", "announce")

    def test_who_is_in_other_hands_or_drained_again_keeps_it(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fleet.vm(S.RUNNING, rental_type="interruptible")
        drain_node(fleet, interrupts=True)
        give(fleet)
        undrain_node(fleet)
        monkeypatch.setattr(drain, "lock_if_free", lambda *_: None)
        assert drain.call_off_notices(fleet.seed.database) == 0

        def too_late(tx: Transaction, vm_id: UUID) -> Vm | None:
            drain_node(fleet, interrupts=True)
            return lock_if_free(tx, vm_id)

        monkeypatch.setattr(drain, "lock_if_free", too_late)
        assert drain.call_off_notices(fleet.seed.database) == 0

    def test_one_that_is_being_created_has_its_turn_when_it_runs(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.STARTING, under_way=(Kind.CREATE, Step.PROBE), rental_type="interruptible")
        drain_node(fleet, interrupts=True)
        assert give(fleet) == "0 VMs were given notice, 0 notices called off"
        assert fleet.kind(vm_id) == ("create", "probe")

    def test_one_in_other_hands_has_its_turn_later(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING, rental_type="interruptible")
        drain_node(fleet, interrupts=True)
        with fleet.seed.database.transaction() as tx:
            tx.execute(select(Vm).where(Vm.id == vm_id).with_for_update(key_share=True))
            assert give(fleet) == "0 VMs were given notice, 0 notices called off"
        assert give(fleet) == "1 VMs were given notice, 0 notices called off"

    def test_a_second_drain_may_add_it_and_none_takes_it_back(self, fleet: Fleet) -> None:
        for interrupts, expected in ((False, False), (True, True), (False, True)):
            drain_node(fleet, interrupts=interrupts)
            assert fleet.node().interrupts is expected


def test_what_is_left_is_counted_by_rental_type(fleet: Fleet) -> None:
    fleet.vm(S.RUNNING)
    fleet.vm(S.RUNNING, rental_type="interruptible")
    fleet.vm(S.STARTING, under_way=(Kind.START, Step.BOOT), rental_type="interruptible")
    fleet.vm(S.STOPPED)
    fleet.vm(S.INTERRUPTED, rental_type="interruptible")
    fleet.vm(S.DESTROYED)
    with fleet.seed.database.transaction() as tx:
        assert drain.left(tx, "vm01") == {"on_demand": 1, "interruptible": 2}
        assert not drain.left(tx, "vm02")
    fleet.look(None)
    with fleet.seed.database.transaction() as tx:
        assert drain.left(tx, "vm01") == {"on_demand": 1, "interruptible": 2}


def test_an_unknown_node(fleet: Fleet) -> None:
    with fleet.seed.database.transaction() as tx:
        for act in (drain.drain, drain.undrain, drain.left):
            with pytest.raises(NotFound, match="vm99"):
                act(tx, "vm99")
