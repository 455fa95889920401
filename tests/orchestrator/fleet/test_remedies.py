"""What is done about a VM, once it was looked at closely."""

import pytest
from sqlalchemy import func

from orchestrator.fleet import facts, remedies, watch
from orchestrator.fleet.reconcile import Proof, Remedy
from orchestrator.vms import operations
from orchestrator.vms.models import Interruption, Vm
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import Status
from tests.orchestrator.fleet.watched import Fleet

S = Status
OFF_ITSELF = "its guest powered itself off"


def test_a_guest_that_powers_itself_off_is_stopped_as_if_asked_for(fleet: Fleet) -> None:
    vm_id = fleet.vm(S.RUNNING)
    off = fleet.shows(fleet.guest(vm_id, "stopped"))
    assert fleet.settle(off, Proof.OFF) == []
    assert fleet.settle(off, Proof.OFF) == [Remedy.STOP]
    assert fleet.kind(vm_id) == ("stop", "shutdown")
    assert fleet.row(vm_id).status == "stopping"
    assert OFF_ITSELF in fleet.told(vm_id)
    assert fleet.claims(vm_id) == 1
    assert [ring.kind for ring in fleet.seed.bell.rung] == [Kind.STOP]
    assert fleet.settle(off, Proof.OFF) == []


def test_one_that_runs_after_all_is_left_alone(fleet: Fleet) -> None:
    vm_id = fleet.vm(S.RUNNING)
    off = fleet.shows(fleet.guest(vm_id, "stopped"))
    fleet.look(off)
    assert fleet.settle(off, Proof.ON) == [Remedy.FORGET]
    assert fleet.look(off) == []
    assert fleet.kind(vm_id) is None


class TestReboot:
    """With the node gone for long enough to be offline, and quicker than that."""

    @pytest.fixture(params=["offline", "quick"])
    def rebooted(self, fleet: Fleet, request: pytest.FixtureRequest) -> Fleet:
        vms = [fleet.vm(S.RUNNING, rental_type=kind) for kind in ("on_demand", "interruptible")]
        vms.append(fleet.vm(S.RUNNING, rental_type="reserved", reservation_months=1))
        fleet.look(fleet.shows(*(fleet.guest(vm_id) for vm_id in vms), uptime=5000))
        if request.param == "offline":
            fleet.look(None)
        off = fleet.shows(*(fleet.guest(vm_id, "stopped") for vm_id in vms), uptime=60)
        fleet.settle(off, Proof.OFF)
        self.on_demand, self.interruptible, self.reserved = vms
        return fleet

    def test_who_is_never_displaced_starts_again_with_its_gpus(self, rebooted: Fleet) -> None:
        for vm_id in (self.on_demand, self.reserved):
            assert rebooted.kind(vm_id) == ("start", "reserve")
            assert rebooted.row(vm_id).status == "starting"
            assert rebooted.claims(vm_id) == 1
            assert "node vm01 was restarted, and the VM starts again" in rebooted.told(vm_id)

    def test_who_may_be_displaced_is_interrupted_by_it(self, rebooted: Fleet) -> None:
        vm_id = self.interruptible
        assert rebooted.kind(vm_id) == ("interrupt", "shutdown")
        assert rebooted.row(vm_id).status == "stopping"
        record = rebooted.interruption(vm_id)
        assert record is not None
        assert (record.cause, record.state, record.displaced_by) == ("reboot", "announced", None)
        assert rebooted.claims(vm_id) == 1  # until its steps have seen that it is off


def test_after_it_was_started_again_a_power_off_is_the_guests_own(fleet: Fleet) -> None:
    fleet.set_node(rebooted_at=func.now())
    vm_id = fleet.vm(S.RUNNING)
    off = fleet.shows(fleet.guest(vm_id, "stopped"))
    fleet.look(off)
    assert fleet.settle(off, Proof.OFF) == [Remedy.STOP]


def test_a_vm_that_is_back_at_the_close_look_is_back(fleet: Fleet) -> None:
    vm_id = fleet.vm(S.RUNNING)
    fleet.look(None)
    assert fleet.settle(fleet.shows(fleet.guest(vm_id, "stopped")), Proof.ON) == [Remedy.BACK]
    assert (fleet.row(vm_id).status, fleet.kind(vm_id)) == ("running", None)


class TestStartedByHand:
    @pytest.mark.parametrize(
        ("status", "kind"),
        [(S.STOPPED, ("stop", "shutdown")), (S.INTERRUPTED, ("interrupt", "shutdown"))],
    )
    def test_it_is_switched_off_and_stays_what_it_was(
        self, fleet: Fleet, status: Status, kind: tuple[str, str]
    ) -> None:
        vm_id = fleet.vm(status, rental_type="interruptible")
        on = fleet.shows(fleet.guest(vm_id))
        fleet.look(on)
        assert fleet.settle(on, Proof.ON) == [Remedy.SWITCH_OFF]
        assert (fleet.kind(vm_id), fleet.row(vm_id).status) == (kind, status)


class TestGone:
    def test_what_somebody_deleted_is_destroyed_here_too(self, fleet: Fleet) -> None:
        running, stopped = fleet.vm(S.RUNNING), fleet.vm(S.STOPPED)
        fleet.look(fleet.shows())
        assert fleet.settle(fleet.shows(), Proof.GONE) == [Remedy.DESTROY, Remedy.DESTROY]
        for vm_id in (running, stopped):
            assert fleet.kind(vm_id) == ("destroy", "shutdown")
            assert "it was deleted on the hypervisor by somebody else" in fleet.told(vm_id)
        assert fleet.claims(running) == 1

    def test_also_while_its_node_was_out_of_sight(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        fleet.look(None)
        assert fleet.settle(fleet.shows(), Proof.GONE) == [Remedy.DESTROY]
        assert (fleet.kind(vm_id), fleet.row(vm_id).status) == (("destroy", "shutdown"), "stopping")

    def test_when_too_many_are_gone_at_once_nothing_is_concluded(self, fleet: Fleet) -> None:
        vms = [fleet.vm(S.RUNNING) for _ in range(5)]
        fleet.look(fleet.shows())
        assert fleet.settle(fleet.shows(), Proof.GONE) == [Remedy.NOTHING] * 5
        assert [fleet.kind(vm_id) for vm_id in vms] == [None] * 5

    def test_without_a_proof_nothing_is_done_and_the_doubt_stays(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        fleet.look(fleet.shows())
        assert fleet.settle(fleet.shows(), Proof.UNCLEAR) == [Remedy.NOTHING]
        assert fleet.look(fleet.shows()) == [vm_id]


@pytest.mark.parametrize("change", ["status", "operation", "offline"])
def test_a_vm_that_has_changed_since_is_left_alone(fleet: Fleet, change: str) -> None:
    vm_id = fleet.vm(S.RUNNING)
    off = fleet.shows(fleet.guest(vm_id, "stopped"))
    fleet.look(off)
    [suspect] = watch.apply(fleet.seed.database, "c1", off, fleet.patience)
    if change == "offline":
        fleet.look(None)
    else:
        under_way = Kind.STOP if change == "status" else Kind.INTERRUPT
        with fleet.seed.database.transaction() as tx:
            operations.begin(tx, tx.get_one(Vm, vm_id), under_way, actor="test")
    before = fleet.kind(vm_id)
    assert remedies.settle(fleet.seed.database, suspect, Proof.OFF) is Remedy.NOTHING
    assert fleet.kind(vm_id) == before


def test_a_vm_with_an_operation_is_never_settled(fleet: Fleet) -> None:
    vm_id = fleet.vm(S.RUNNING, under_way=(Kind.INTERRUPT, Step.ANNOUNCE))
    with fleet.seed.database.transaction() as tx:
        tracked = facts.of_vm(tx, vm_id)
    assert tracked is not None
    assert remedies.settle(fleet.seed.database, tracked, Proof.GONE) is Remedy.NOTHING


def test_what_the_database_refuses_is_left_as_it_is(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    vm_id = fleet.vm(S.RUNNING, rental_type="interruptible")
    with fleet.seed.database.transaction() as tx:
        tx.add(Interruption(vm_id=vm_id, node_id="vm01", cause="drain", notice_until=func.now()))
    fleet.look(None)
    assert fleet.settle(fleet.shows(fleet.guest(vm_id, "stopped")), Proof.OFF) == [Remedy.NOTHING]
    assert (fleet.row(vm_id).status, fleet.kind(vm_id)) == ("offline", None)
    assert f"VM {vm_id} is left as it is" in caplog.text
