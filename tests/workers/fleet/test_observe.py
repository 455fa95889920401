"""Nodes that go and come back, VMs that change behind our back: seen, proven, and put right."""

from uuid import UUID

import pytest

from orchestrator.intake.lifecycle import Asked
from orchestrator.vms.pipelines import Step
from tests.workers.fleet.watched import Watched
from workers import observe

INTERRUPTIBLE = {"rental_type": "interruptible"}


def test_what_runs_is_left_alone_and_its_use_is_told(watched: Watched) -> None:
    vm_id = watched.running()
    told = watched.bench.told(vm_id)
    for _ in range(3):
        assert watched.look() == "2 nodes, 5 VMs"
    assert watched.bench.row(vm_id).cpu_percent > 0
    assert watched.bench.row(vm_id).ram_percent == 100
    assert watched.bench.told(vm_id) == told
    assert watched.node().uptime_seconds is not None


class TestPowerFails:
    @pytest.fixture(params=["seen offline", "quicker than the watch"])
    def rebooted(self, watched: Watched, request: pytest.FixtureRequest) -> Watched:
        self.on_demand, self.interruptible = watched.running(gpu_count=2), watched.running(**INTERRUPTIBLE)
        self.cards = watched.bench.simulator.node("vm01").reservations.keys()
        watched.look()
        watched.bench.simulator.node_down("vm01")
        if request.param == "seen offline":
            watched.look()
            for vm_id in (self.on_demand, self.interruptible):
                assert watched.status(vm_id) == "offline"
                assert watched.bench.claims(vm_id) > 0
        watched.bench.simulator.node_up("vm01")
        watched.look()
        return watched

    def test_who_is_never_displaced_runs_again_on_the_same_cards(self, rebooted: Watched) -> None:
        assert rebooted.bench.settle(self.on_demand) == "running"
        assert rebooted.is_on(self.on_demand)
        assert rebooted.bench.claims(self.on_demand) == 2
        assert rebooted.bench.simulator.node("vm01").reservations.keys() <= self.cards

    def test_who_may_be_displaced_is_interrupted(self, rebooted: Watched) -> None:
        assert rebooted.bench.settle(self.interruptible) == "interrupted"
        assert not rebooted.is_on(self.interruptible)
        assert rebooted.bench.claims(self.interruptible) == 0

    def test_once_they_run_again_nothing_more_is_done(self, rebooted: Watched) -> None:
        rebooted.bench.settle(self.on_demand)
        told = rebooted.bench.told(self.on_demand)
        for _ in range(3):
            rebooted.look()
        assert rebooted.bench.told(self.on_demand) == told


def test_a_node_that_was_only_cut_off_changes_nothing(watched: Watched) -> None:
    vm_id = watched.running()
    started = watched.bench.row(vm_id).started_at
    watched.cut_off()
    watched.look()
    assert watched.status(vm_id) == "offline"
    assert watched.node().offline_since is not None
    watched.cut_off(online=True)
    watched.look()
    assert watched.status(vm_id) == "running"
    assert watched.bench.row(vm_id).started_at == started
    assert watched.kind(vm_id) is None
    assert watched.node().offline_since is None


@pytest.mark.parametrize("step", [Step.CLONE, Step.BOOT, Step.PROBE])
def test_what_was_under_way_goes_on_when_the_node_is_back(watched: Watched, step: Step) -> None:
    vm_id = watched.bench.vm()
    watched.bench.until(vm_id, step)
    watched.look()
    watched.bench.simulator.node_down("vm01")
    watched.look()
    assert watched.status(vm_id) == "offline"
    watched.bench.step(vm_id)
    assert watched.status(vm_id) == "offline"
    assert watched.bench.claims(vm_id) == 1
    watched.bench.simulator.node_up("vm01")
    watched.look()
    assert watched.status(vm_id) in ("creating", "starting")
    assert watched.bench.settle(vm_id) in ("running", "failed")  # a guest that lost its power may be given up


def test_a_destroy_is_accepted_meanwhile_and_done_later(watched: Watched) -> None:
    vm_id = watched.running()
    watched.bench.simulator.node_down("vm01")
    watched.look()
    watched.bench.destroy(vm_id)
    assert watched.status(vm_id) == "offline"
    watched.bench.simulator.node_up("vm01")
    watched.look()
    assert watched.bench.settle(vm_id) == "destroyed"


class TestBehindOurBack:
    def settle(self, watched: Watched, vm_id: UUID) -> str:
        assert watched.look() == "2 nodes, 5 VMs"  # one look proves nothing
        watched.look()
        return watched.bench.settle(vm_id)

    def test_a_guest_that_powers_itself_off_is_stopped(self, watched: Watched) -> None:
        vm_id = watched.running()
        watched.bench.simulator.guest_poweroff(watched.bench.row(vm_id).vmid)
        assert self.settle(watched, vm_id) == "stopped"
        assert watched.bench.claims(vm_id) == 0

    def test_a_vm_that_is_started_by_hand_is_switched_off(self, watched: Watched) -> None:
        vm_id = watched.running()
        watched.bench.ask(vm_id, Asked.STOP)
        watched.bench.settle(vm_id)
        watched.bench.start(watched.bench.row(vm_id).vmid)
        assert watched.is_on(vm_id)
        assert self.settle(watched, vm_id) == "stopped"
        assert not watched.is_on(vm_id)

    def test_a_vm_that_is_deleted_by_hand_is_destroyed(self, watched: Watched) -> None:
        vm_id = watched.running()
        watched.bench.simulator.kill_vm(watched.bench.row(vm_id).vmid)
        watched.bench.remove(watched.bench.row(vm_id).vmid)
        assert watched.look() == "2 nodes, 4 VMs"
        watched.look()
        assert watched.bench.settle(vm_id) == "destroyed"
        assert watched.bench.claims(vm_id) == 0
        assert "it was deleted on the hypervisor by somebody else" in watched.bench.told(vm_id)

    def test_a_vm_that_was_moved_is_left_to_an_operator(self, watched: Watched) -> None:
        vm_id = watched.running()
        watched.bench.simulator.move_vm(watched.bench.row(vm_id).vmid, "vm02")
        for _ in range(3):
            watched.look()
        assert (watched.kind(vm_id), watched.bench.claims(vm_id)) == (None, 1)

    def test_a_foreign_vm_under_its_number_is_never_touched(self, watched: Watched) -> None:
        vm_id = watched.running()
        vmid = watched.bench.row(vm_id).vmid
        watched.bench.simulator.kill_vm(vmid)
        watched.bench.remove(vmid)
        watched.bench.simulator.make_foreign_vm("vm01", vmid, name="web", running=True)
        for _ in range(4):
            watched.look()
        assert watched.kind(vm_id) is None
        stranger = watched.bench.simulator.vm(vmid)
        assert stranger is not None
        assert stranger.running is not None

    def test_a_backup_that_stops_it_for_a_while_is_none_of_our_business(self, watched: Watched) -> None:
        vm_id = watched.running()
        vmid = watched.bench.row(vm_id).vmid
        watched.bench.simulator.kill_vm(vmid)
        watched.bench.simulator.lock_vm(vmid, "backup")
        for _ in range(3):
            watched.look()
        assert (watched.status(vm_id), watched.kind(vm_id)) == ("running", None)


class TestReading:
    def test_a_cluster_that_does_not_answer_counts_as_a_miss(self, watched: Watched) -> None:
        vm_id = watched.running()
        watched.bench.fault("unreachable", path="/cluster/resources$")
        assert watched.look() == "no answer"
        assert watched.status(vm_id) == "offline"

    def test_a_token_that_is_refused_says_nothing_about_nodes(self, watched: Watched) -> None:
        vm_id = watched.running()
        watched.bench.fault("unauthorized", path="/cluster/resources$")
        assert watched.look() == "not read"
        assert (watched.status(vm_id), watched.node().misses) == ("running", 0)

    def test_a_close_look_that_fails_is_tried_again(self, watched: Watched) -> None:
        vm_id = watched.running()
        vmid = watched.bench.row(vm_id).vmid
        watched.bench.simulator.guest_poweroff(vmid)
        watched.look()
        watched.bench.fault("server_error", path="/cluster/nextid$")
        assert watched.look() == f"2 nodes, 5 VMs; VM {vmid}: not settled"
        assert watched.look() == f"2 nodes, 5 VMs; VM {vmid}: stop"

    def test_who_stays_doubtful_does_not_keep_others_from_their_turn(
        self, watched: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(observe, "CLOSE_LOOKS", 1)
        first, second = sorted(watched.running() for _ in range(2))
        watched.bench.simulator.move_vm(watched.bench.row(first).vmid, "vm02")
        watched.bench.simulator.guest_poweroff(watched.bench.row(second).vmid)
        for _ in range(40):
            watched.look()
            if watched.kind(second) == "stop":
                break
        assert (watched.kind(first), watched.kind(second)) == (None, "stop")
