"""What a cluster has and the store has not, and the reverse: mended where it is ours, told where not."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from orchestrator.fleet.models import Finding
from orchestrator.fleet.sightings import marker, vm_name
from orchestrator.intake.lifecycle import Asked
from orchestrator.vms.pipelines import Step
from tests.workers.fleet.watched import Watched
from workers import cluster_read

FIRST_CARD = "0000:01:00"


def kinds(found: list[Finding]) -> list[str]:
    return [finding.kind for finding in found]


def stranger(watched: Watched, vmid: int = 555, **settings: Any) -> None:
    watched.bench.simulator.make_foreign_vm("vm01", vmid, **{"name": "web", "running": True, **settings})


def is_untouched(watched: Watched, vmid: int = 555) -> bool:
    vm = watched.bench.simulator.vm(vmid)
    return vm is not None and vm.running is not None


def destroyed(watched: Watched) -> UUID:
    """A VM that has ended."""
    vm_id = watched.running()
    watched.bench.destroy(vm_id)
    assert watched.bench.settle(vm_id) == "destroyed"
    return vm_id


def test_a_fleet_without_a_difference(watched: Watched) -> None:
    watched.running(gpu_count=2)
    watched.running(node="vm02", gpu_type="4090")
    stopped = watched.running()
    watched.bench.ask(stopped, Asked.STOP)
    watched.bench.settle(stopped)
    destroyed(watched)
    assert watched.swept() == "no difference"
    assert watched.sweep() == []


def test_of_what_is_as_it_should_be_no_configuration_is_read(watched: Watched) -> None:
    watched.running()
    before = len(watched.bench.simulator.requests)
    watched.swept()
    paths = [request.path for request in watched.bench.simulator.requests[before:]]
    assert not [path for path in paths if path.endswith("/config")]


class TestLeftovers:
    def test_our_vm_whose_record_has_ended_is_destroyed(self, watched: Watched) -> None:
        vm_id = destroyed(watched)
        vmid = watched.bench.row(vm_id).vmid
        stranger(watched, vmid, name=vm_name(vm_id), description=f"{marker(vm_id)}\nback from a backup")
        watched.bench.simulator.call(lambda server: server.cluster.pools["innkeeper"].vms.add(vmid))
        assert watched.swept() == "1 × destroy"
        assert watched.bench.settle(vm_id) == "destroyed"
        assert watched.bench.leftovers(vmid) == []
        assert watched.sweep() == []

    def test_a_vm_without_a_record_is_told_and_never_touched(self, watched: Watched) -> None:
        lost = uuid4()
        stranger(watched, 100_500, name=vm_name(lost), description=marker(lost))
        for _ in range(3):
            [found] = watched.sweep()
        assert (found.kind, found.vmid, found.vm_id, found.command) == ("unknown_vm", 100_500, lost, None)
        assert is_untouched(watched, 100_500)

    def test_a_copy_made_by_hand_is_told_and_never_touched(self, watched: Watched) -> None:
        vm_id = watched.running()
        stranger(watched, 777, name="copy", description=marker(vm_id))
        assert kinds(watched.sweep()) == ["copied_marker"]
        assert is_untouched(watched, 777)
        assert watched.kind(vm_id) is None

    def test_what_a_killed_clone_left_is_told_with_the_command(self, watched: Watched) -> None:
        watched.bench.fault("worker_killed", path="/clone$")
        vm_id = watched.running()
        first, second = watched.bench.vmids(vm_id)
        [found] = watched.sweep()
        assert (found.kind, found.vmid) == ("stuck_clone", first)
        assert found.command == f"qm unlock {first} && qm destroy {first} --purge"
        watched.bench.remove(first)
        assert watched.sweep() == []
        assert watched.bench.row(vm_id).vmid == second

    def test_a_clone_that_a_task_makes_is_not_stuck(
        self, watched: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watched.bench.fault("worker_killed", path="/clone$")
        watched.running()
        pve = watched.bench.gateways.of("sim")
        monkeypatch.setattr(type(pve), "find_clone_task", lambda *_: "UPID:…")
        assert watched.sweep() == []

    def test_nor_is_one_of_which_nobody_tells(self, watched: Watched) -> None:
        watched.bench.fault("worker_killed", path="/clone$")
        watched.running()
        watched.bench.fault("server_error", path="/nodes/[^/]+/tasks$")
        assert watched.sweep() == []
        assert kinds(watched.sweep()) == ["stuck_clone"]

    def test_a_disk_that_could_not_be_removed_is_told_with_the_command(self, watched: Watched) -> None:
        leaked = watched.leave_disk(destroyed(watched))
        [found] = watched.sweep()
        assert (found.kind, found.command, found.node_id) == ("leftover_disk", f"pvesm free {leaked}", "vm01")

    def test_what_is_under_way_is_left_alone(self, watched: Watched) -> None:
        vm_id = watched.bench.vm()
        for step in (Step.CONFIGURE, Step.BOOT, Step.PROBE):
            watched.bench.until(vm_id, step)
            assert watched.swept() == "no difference"
        assert watched.bench.settle(vm_id) == "running"


class TestElsewhere:
    def test_a_vm_that_was_moved_is_told_with_the_way_back(self, watched: Watched) -> None:
        vm_id = watched.running()
        vmid = watched.bench.row(vm_id).vmid
        watched.bench.simulator.move_vm(vmid, "vm02")
        [found] = watched.sweep()
        assert (found.kind, found.command) == ("wrong_node", f"qm migrate {vmid} vm01")
        assert found.node_id == "vm02"

    def test_a_vm_whose_marker_was_removed_is_told(self, watched: Watched) -> None:
        vm_id = watched.running()
        watched.bench.edit(watched.bench.row(vm_id).vmid, description="mine now", name="mine")
        [found] = watched.sweep()
        assert found.kind == "not_ours"
        assert marker(vm_id) in found.text

    def test_a_vm_that_is_missing_is_told_until_it_is_settled(self, watched: Watched) -> None:
        vm_id = watched.running()
        watched.bench.simulator.kill_vm(watched.bench.row(vm_id).vmid)
        watched.bench.remove(watched.bench.row(vm_id).vmid)
        assert watched.sweep() == []  # not before the watch has missed it
        watched.look()
        assert kinds(watched.sweep()) == ["vm_missing"]
        watched.look()
        watched.bench.settle(vm_id)
        assert watched.sweep() == []

    def test_a_vm_that_cannot_be_seen_is_told(self, watched: Watched) -> None:
        vm_id = watched.running()
        vmid = watched.bench.row(vm_id).vmid

        def hide(server: Any) -> None:
            for pool in server.cluster.pools.values():
                pool.vms.discard(vmid)

        watched.see_our_pool_alone()
        watched.bench.simulator.call(hide)
        watched.look()
        assert kinds(watched.sweep()) == ["hidden_vm"]


class TestCards:
    @pytest.mark.parametrize("card", ["gpu-vm01-0", "0000:01:00", "0000:01:00.0", "01:00", "gpu-other-name"])
    def test_one_that_a_foreign_vm_runs_with_is_quarantined(self, watched: Watched, card: str) -> None:
        def alias(server: Any) -> None:
            mappings = server.cluster.mappings
            mappings["gpu-other-name"] = type(mappings["gpu-vm01-0"])(
                "gpu-other-name", list(mappings["gpu-vm01-0"].entries)
            )

        watched.bench.simulator.call(alias)
        stranger(watched)
        watched.bench.edit(555, hostpci0=f"mapping={card}" if card.startswith("gpu") else card)
        [found] = watched.sweep()
        assert (found.kind, found.vmid) == ("gpu_held", 555)
        assert found.command == "innkeeper gpu release vm01 gpu-vm01-0"
        gpu = watched.gpu("gpu-vm01-0")
        assert (gpu.health, gpu.quarantine_cause) == ("quarantined", "foreign")
        assert watched.gpu("gpu-vm01-1").health == "ok"
        assert is_untouched(watched)

    def test_a_foreign_vm_without_our_cards_is_none_of_our_business(self, watched: Watched) -> None:
        stranger(watched)
        watched.bench.edit(555, hostpci0="0000:c1:00")
        assert watched.swept() == "no difference"

    def test_a_mapping_that_does_not_fit_any_more_and_fits_again(self, watched: Watched) -> None:
        def entries(change: Any) -> None:
            def act(server: Any) -> None:
                mapping = server.cluster.mappings["gpu-vm01-3"]
                mapping.entries = [change(entry) for entry in mapping.entries]

            watched.bench.simulator.call(act)

        entries(lambda entry: entry.replace("iommugroup=17", "iommugroup=99"))
        watched.sweep()
        gpu = watched.gpu("gpu-vm01-3")
        assert (gpu.health, gpu.quarantine_cause) == ("quarantined", "mapping")
        assert "iommugroup" in (gpu.quarantine_reason or "")
        entries(lambda entry: entry.replace("iommugroup=99", "iommugroup=17"))
        watched.sweep()
        assert watched.gpu("gpu-vm01-3").health == "ok"


class TestReading:
    def test_a_node_that_refuses_is_told_and_keeps_its_findings(self, watched: Watched) -> None:
        watched.leave_disk(destroyed(watched))
        assert kinds(watched.sweep()) == ["leftover_disk"]
        watched.bench.fault("forbidden", path="/nodes/vm01/storage/")
        assert kinds(watched.sweep()) == ["leftover_disk", "unreadable"]
        assert kinds(watched.sweep()) == ["leftover_disk"]

    def test_a_node_that_is_down_keeps_its_findings_quietly(self, watched: Watched) -> None:
        watched.leave_disk(destroyed(watched))
        watched.sweep()
        watched.bench.simulator.node_down("vm01")
        assert kinds(watched.sweep()) == ["leftover_disk"]

    def test_a_guest_that_refuses_or_is_gone_meanwhile(self, watched: Watched) -> None:
        stranger(watched)
        watched.bench.fault("forbidden", path="/qemu/555/config$")
        assert kinds(watched.sweep()) == ["unreadable"]
        watched.bench.fault(
            "server_error", path="/qemu/555/config$", detail="Configuration file '555.conf' does not exist"
        )
        assert watched.sweep() == []

    def test_of_very_many_strangers_some_are_read_each_time(
        self, watched: Watched, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cluster_read, "MOST_CONFIGS", 1)
        lost = [uuid4(), uuid4()]
        for number, vm_id in enumerate(lost):
            stranger(watched, 100_500 + number, name=vm_name(vm_id), description=marker(vm_id))
        for _ in range(40):
            if len(watched.sweep()) == 2:  # what was found before stays
                break
        assert len(watched.sweep()) == 2

    def test_a_cluster_that_does_not_answer_is_left_as_it_is(self, watched: Watched) -> None:
        watched.bench.fault("unreachable", path="/cluster/resources$")
        assert watched.swept() == "not read"

    def test_with_the_least_privilege_nothing_strange_is_concluded(self, watched: Watched) -> None:
        watched.running()
        stranger(watched, gpus=["gpu-vm01-7"])
        watched.see_our_pool_alone()
        assert watched.swept() == "no difference"
