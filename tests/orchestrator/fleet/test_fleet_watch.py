"""Statuses follow what is seen: offline and back, without losing a claim or an operation."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from orchestrator.errors import StateConflict
from orchestrator.fleet import watch
from orchestrator.fleet.models import Doubt
from orchestrator.fleet.nodes import Patience
from orchestrator.store.database import Transaction
from orchestrator.vms import operations, transitions, waking
from orchestrator.vms.models import Vm
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import Status
from tests.orchestrator.fleet.watched import Fleet

S = Status
BOOTING = (Kind.START, Step.BOOT)


def doubts(fleet: Fleet) -> list[tuple[str, int]]:
    with fleet.seed.database.transaction() as tx:
        return [(doubt.shown, doubt.looks) for doubt in tx.scalars(select(Doubt))]


class TestOffline:
    @pytest.mark.parametrize("status", [S.RUNNING, S.STOPPED, S.INTERRUPTED])
    def test_vms_go_out_of_sight_with_their_node(self, fleet: Fleet, status: Status) -> None:
        vm_id = fleet.vm(status, rental_type="interruptible")
        there = fleet.vm(status, node="vm02", rental_type="interruptible")
        held = fleet.claims(vm_id)
        fleet.look(fleet.shows(down=("vm01",)))
        vm = fleet.row(vm_id)
        assert (vm.status, vm.status_before_offline) == ("offline", status.value)
        assert fleet.told(vm_id)[-1] == "node vm01 does not answer"
        assert fleet.claims(vm_id) == held
        assert fleet.row(there).status == status

    def test_what_has_ended_stays_as_it_is(self, fleet: Fleet) -> None:
        ended = [fleet.vm(S.FAILED), fleet.vm(S.DESTROYED)]
        fleet.look(None)
        assert [fleet.row(vm_id).status for vm_id in ended] == ["failed", "destroyed"]

    def test_claims_of_an_offline_node_are_never_released(self, fleet: Fleet) -> None:
        running = [
            fleet.vm(S.RUNNING, gpu_count=2, rental_type=kind) for kind in ("on_demand", "interruptible")
        ]
        for _ in range(5):
            assert fleet.look(None) == []
        assert fleet.look(fleet.shows(down=("vm01",))) == []
        assert [fleet.claims(vm_id) for vm_id in running] == [2, 2]
        assert [fleet.kind(vm_id) for vm_id in running] == [None, None]

    def test_it_makes_one_event_however_long_it_lasts(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        for _ in range(4):
            fleet.look(None)
        assert fleet.told(vm_id).count("node vm01 does not answer") == 1

    def test_attempts_on_an_offline_node_make_no_noise(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.STARTING, under_way=(Kind.CREATE, Step.BOOT))
        fleet.look(None)
        told = fleet.told(vm_id)
        operation = fleet.operation(vm_id)
        assert operation is not None
        for _ in range(3):
            with fleet.seed.database.transaction() as tx:
                lease = operations.take(tx, operation.id, Step.BOOT, owner="w", seconds=60)
                assert lease is not None
                operations.enter_step(tx, lease)
                held, _ = operations.held(tx, lease)
                operations.hand_back(held)
            fleet.look(None)
        assert fleet.row(vm_id).status == "offline"
        assert fleet.told(vm_id) == told

    def test_its_operations_are_not_rung_for_until_it_is_back(self, fleet: Fleet) -> None:
        fleet.vm(S.STARTING, under_way=BOOTING)
        fleet.look(None)
        with fleet.seed.database.transaction() as tx:
            assert waking.wake_due(tx, ring_again_seconds=4) == 0
        fleet.look(fleet.shows())
        with fleet.seed.database.transaction() as tx:
            assert waking.wake_due(tx, ring_again_seconds=4) == 1

    def test_a_vm_in_other_hands_has_its_turn_later(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        with fleet.seed.database.transaction() as tx:
            tx.execute(select(Vm).where(Vm.id == vm_id).with_for_update(key_share=True))
            fleet.look(None)
        assert fleet.row(vm_id).status == "running"
        fleet.look(None)
        assert fleet.row(vm_id).status == "offline"


class TestBack:
    def test_a_vm_that_ran_on_is_as_before_with_its_times(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        started = fleet.row(vm_id).started_at
        fleet.look(fleet.shows(uptime=500))
        fleet.look(None)
        assert fleet.look(fleet.shows(fleet.guest(vm_id), uptime=900)) == []
        vm = fleet.row(vm_id)
        assert (vm.status, vm.started_at) == ("running", started)
        assert fleet.told(vm_id)[-1] == "node vm01 answers again"

    @pytest.mark.parametrize("status", [S.STOPPED, S.INTERRUPTED])
    def test_a_vm_that_was_off_is_as_before(self, fleet: Fleet, status: Status) -> None:
        vm_id = fleet.vm(status, rental_type="interruptible")
        stopped = fleet.row(vm_id).stopped_at
        fleet.look(None)
        assert fleet.look(fleet.shows(fleet.guest(vm_id, "stopped"), uptime=5)) == []
        assert (fleet.row(vm_id).status, fleet.row(vm_id).stopped_at) == (status, stopped)

    def test_a_vm_with_an_operation_is_what_its_step_means(self, fleet: Fleet) -> None:
        starting = fleet.vm(S.STARTING, under_way=BOOTING)
        stopping = fleet.vm(S.RUNNING, under_way=(Kind.STOP, Step.SHUTDOWN))
        fleet.look(None)
        fleet.look(fleet.shows())
        assert [fleet.row(vm_id).status for vm_id in (starting, stopping)] == ["starting", "stopping"]

    def test_a_vm_whose_node_does_not_report_it_yet_waits(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        fleet.look(None)
        assert fleet.look(fleet.shows(fleet.guest(vm_id, "unknown", name=""))) == []
        assert fleet.row(vm_id).status == "offline"

    def test_a_vm_that_is_off_is_looked_at_closely_at_once(self, fleet: Fleet) -> None:
        fleet.patience = Patience(misses=1, seconds=0, broadcast_seconds=15)
        vm_id = fleet.vm(S.RUNNING)
        fleet.look(None)
        assert fleet.look(fleet.shows(fleet.guest(vm_id, "stopped"))) == [vm_id]


class TestDoubts:
    def test_two_looks_in_a_row_make_a_suspect(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        off = fleet.shows(fleet.guest(vm_id, "stopped"))
        assert fleet.look(off) == []
        assert fleet.look(off) == [vm_id]

    def test_looks_that_show_different_things_do_not(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        assert fleet.look(fleet.shows(fleet.guest(vm_id, "stopped"))) == []
        assert fleet.look(fleet.shows()) == []
        assert doubts(fleet) == [("absent", 1)]

    def test_a_look_that_agrees_ends_the_doubt(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        fleet.look(fleet.shows(fleet.guest(vm_id, "stopped")))
        fleet.look(fleet.shows(fleet.guest(vm_id)))
        assert doubts(fleet) == []

    def test_a_look_that_says_nothing_leaves_it(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        fleet.look(fleet.shows(fleet.guest(vm_id, "stopped")))
        fleet.look(fleet.shows(fleet.guest(vm_id, "stopped", lock="backup")))
        assert doubts(fleet) == [("stopped", 1)]

    def test_what_may_be_older_than_the_last_change_is_not_believed(self, fleet: Fleet) -> None:
        fleet.patience = Patience(broadcast_seconds=15)
        vm_id = fleet.vm(S.RUNNING)
        off = fleet.shows(fleet.guest(vm_id, "stopped"))
        for _ in range(3):
            assert fleet.look(off) == []
        assert doubts(fleet) == []
        fleet.age(vm_id, 16)
        fleet.look(off)
        assert doubts(fleet) == [("stopped", 1)]

    def test_looks_within_one_broadcast_are_one(self, fleet: Fleet) -> None:
        fleet.patience = Patience(broadcast_seconds=15)
        vm_id = fleet.vm(S.RUNNING)
        fleet.age(vm_id, 60)
        off = fleet.shows(fleet.guest(vm_id, "stopped"))
        for _ in range(3):
            assert fleet.look(off) == []
        with fleet.seed.database.transaction() as tx:
            tx.get_one(Doubt, vm_id).since = func.now() - timedelta(seconds=16)
        assert fleet.look(off) == [vm_id]

    def test_a_vm_with_an_operation_is_not_doubted(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.STARTING, under_way=BOOTING)
        for _ in range(3):
            assert fleet.look(fleet.shows(fleet.guest(vm_id, "stopped"))) == []
        assert doubts(fleet) == []

    def test_a_doubt_ends_with_the_sight_of_the_node(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        fleet.look(fleet.shows(fleet.guest(vm_id, "stopped")))
        fleet.look(None)
        assert doubts(fleet) == []


class TestUse:
    def use(self, fleet: Fleet, vm_id: UUID) -> tuple[float, float]:
        vm = fleet.row(vm_id)
        return vm.cpu_percent, vm.ram_percent

    def test_running_vms_get_what_is_told_of_them(self, fleet: Fleet) -> None:
        running = [fleet.vm(S.RUNNING) for _ in range(2)]
        starting, untold = fleet.vm(S.STARTING, under_way=BOOTING), fleet.vm(S.RUNNING)
        guests = [fleet.guest(vm_id, cpu=0.25, memory=0.5) for vm_id in (*running, starting)]
        fleet.look(fleet.shows(*guests))
        assert [self.use(fleet, vm_id) for vm_id in running] == [(25, 50), (25, 50)]
        assert [self.use(fleet, vm_id) for vm_id in (starting, untold)] == [(0, 0), (0, 0)]

    def test_a_stranger_under_its_number_tells_nothing(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        fleet.look(fleet.shows(fleet.guest(vm_id, name="web", cpu=0.25)))
        assert self.use(fleet, vm_id) == (0, 0)

    def test_a_vm_in_other_hands_is_left_out(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        with fleet.seed.database.transaction() as tx:
            tx.execute(select(Vm).where(Vm.id == vm_id).with_for_update(key_share=True))
            fleet.look(fleet.shows(fleet.guest(vm_id, cpu=0.25)))
        assert self.use(fleet, vm_id) == (0, 0)


def test_one_that_cannot_be_dealt_with_does_not_keep_others_from_their_turn(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    vms = sorted(fleet.vm(S.RUNNING) for _ in range(2))

    def move(tx: Transaction, vm: Vm, *arguments: Any, **words: Any) -> None:
        if vm.id == vms[0]:
            raise StateConflict("not now")
        transitions.move(tx, vm, *arguments, **words)

    monkeypatch.setattr(watch, "move", move)
    fleet.look(None)
    assert [fleet.row(vm_id).status for vm_id in vms] == ["running", "offline"]
    assert f"VM {vms[0]} is left as it is: not now" in caplog.text
