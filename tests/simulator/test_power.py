"""Start, stop, shutdown, reboot, destroy."""

from typing import Any

import pytest

from simulator import Fault
from tests.simulator.conftest import MakeLab
from tests.simulator.lab import NODE, TEMPLATE, Lab, eventually, refusal


def test_a_life(lab: Lab) -> None:
    vm = lab.make(200)
    upid = vm.status.start.post()
    assert lab.end(upid) == "OK"
    assert lab.log(upid) == ["generating cloud-init ISO", "TASK OK"]
    current = vm.status.current.get()
    assert (current["status"], current["qmpstatus"], current["agent"]) == ("running", "running", 1)
    assert current["pid"] > 0
    assert lab.start(200) == "VM 200 already running"
    assert refusal(vm.delete).content == "VM 200 is running - destroy failed"
    assert lab.stop(200) == "OK"
    assert lab.stop(200) == "OK"
    upid = vm.delete(**{"purge": 1, "destroy-unreferenced-disks": 1})
    assert lab.end(upid) == "OK"
    assert lab.log(upid)[0] == "purging VM 200 from related configurations.."
    assert 200 not in lab.sim.volumes(NODE).values()
    assert lab.api.cluster.nextid.get(vmid=200) == "200"


@pytest.mark.parametrize(
    ("config", "status"),
    [
        ({"cores": 65}, "MAX 64 vcpus allowed per VM on this node"),
        ({"net0": "virtio,bridge=vmbr9"}, "bridge 'vmbr9' does not exist"),
        ({"memory": 600_000}, "start failed: QEMU exited with code 1"),
        ({"cicustom": "user=local:snippets/u.yml"}, "volume 'local:snippets/u.yml' does not exist"),
        ({"kvm": 0, "cpu": "host"}, "start failed: QEMU exited with code 1"),
    ],
)
def test_starts_that_fail_leave_the_vm_stopped(lab: Lab, config: dict[str, Any], status: str) -> None:
    vm = lab.make(200, **config)
    assert lab.start(200) == status
    assert vm.status.current.get()["status"] == "stopped"


def test_a_template_does_not_start(lab: Lab) -> None:
    assert lab.start(TEMPLATE) == "you can't start a vm if it's a template"


def test_a_lock_in_the_configuration_stops_everything(lab: Lab) -> None:
    vm = lab.make(200)
    lab.sim.lock_vm(200, "backup")
    assert lab.start(200) == "VM is locked (backup)"
    assert lab.end(vm.delete()) == "VM is locked (backup)"
    assert lab.end(vm.resize.put(disk="scsi0", size="20G")) == "VM is locked (backup)"
    assert refusal(lambda: vm.config.put(cores=1)).content == "VM is locked (backup)"


def test_the_lock_file_is_held_during_the_whole_start(make_lab: MakeLab) -> None:
    lab = make_lab(time_scale=0.01)
    vm = lab.make(200, hostpci0="mapping=gpu-vm01-0,pcie=1", memory=65536)
    started = vm.status.start.post()
    eventually(lambda: "generating cloud-init ISO" in lab.log(started))
    text = "can't lock file '/var/lock/qemu-server/lock-200.conf' - got timeout"
    assert refusal(lambda: vm.config.put(tags="x")).content == text
    assert lab.stop(200) == text
    assert lab.end(started) == "OK"


@pytest.mark.parametrize(
    ("memory_gib", "cards", "seconds"), [(4, 0, 35), (4, 1, 125), (128, 1, 517), (128, 0, 133)]
)
def test_the_default_start_timeout_grows_with_memory_and_passthrough(
    memory_gib: int, cards: int, seconds: int
) -> None:
    from simulator.machines.start import start_timeout
    from simulator.state.vms import Vm

    config = {"memory": str(memory_gib * 1024), "net0": "virtio=BC:24:11:00:00:01,bridge=vmbr0"}
    config |= {f"hostpci{number}": "mapping=x" for number in range(cards)}
    assert start_timeout(Vm(1, NODE, config)) == seconds


def test_a_start_that_takes_too_long_is_killed(lab: Lab) -> None:
    lab.make(200)
    lab.sim.faults.add(Fault("slow_start"))
    assert lab.start(200).startswith("start failed: command '/usr/bin/kvm -id 200 ...' failed: got timeout")


def test_shutdown_waits_for_the_guest(lab: Lab) -> None:
    vm = lab.make(200)
    lab.start(200)
    lab.address(200)
    assert lab.end(vm.status.shutdown.post(timeout=30)) == "OK"
    assert vm.status.current.get()["status"] == "stopped"


def test_a_guest_that_does_not_follow_runs_on_unless_forced(lab: Lab) -> None:
    vm = lab.make(200)
    lab.start(200)
    lab.address(200)
    lab.sim.faults.add(Fault("ignores_shutdown", times=None))
    assert lab.end(vm.status.shutdown.post(timeout=10)) == "VM quit/powerdown failed - got timeout"
    assert vm.status.current.get()["status"] == "running"
    assert lab.end(vm.status.shutdown.post(timeout=10, forceStop=1)) == "OK"
    assert vm.status.current.get()["status"] == "stopped"


def test_stop_can_overrule_a_hanging_shutdown(make_lab: MakeLab) -> None:
    lab = make_lab(time_scale=0.01)
    vm = lab.make(200)
    lab.start(200)
    lab.sim.faults.add(Fault("ignores_shutdown"))
    hanging = vm.status.shutdown.post(timeout=600)
    assert lab.stop(200).endswith("got timeout")
    assert lab.end(vm.status.stop.post(**{"overrule-shutdown": 1})) == "OK"
    assert lab.end(hanging) == "interrupted by signal"


@pytest.mark.parametrize("call", ["reset", "reboot", "suspend", "resume"])
def test_what_needs_a_running_vm(lab: Lab, call: str) -> None:
    lab.make(200)
    assert refusal(lambda: lab.vm(200).status(call).post()).content == "VM 200 not running"


def test_reboot_is_two_tasks(lab: Lab) -> None:
    vm = lab.make(200)
    lab.start(200)
    lab.address(200)
    before = vm.status.current.get()["pid"]
    assert lab.end(vm.status.reboot.post()) == "OK"
    eventually(lambda: vm.status.current.get().get("pid", before) != before)
    started = [task for task in lab.sim.tasks() if task.upid.type == "qmstart"]
    assert [task.upid.user for task in started] == ["innkeeper@pve!orchestrator", "root@pam"]


def test_reset_keeps_the_process_and_boots_the_guest_anew(lab: Lab) -> None:
    vm = lab.make(200)
    lab.start(200)
    lab.address(200)
    before = vm.status.current.get()["pid"]
    assert lab.end(vm.status.reset.post()) == "OK"
    assert vm.status.current.get()["pid"] == before
    lab.address(200)


def test_suspend_pauses(lab: Lab) -> None:
    vm = lab.make(200)
    lab.start(200)
    assert lab.end(vm.status.suspend.post()) == "OK"
    assert vm.status.current.get()["qmpstatus"] == "paused"
    assert lab.end(vm.status.resume.post()) == "OK"
    assert vm.status.current.get()["qmpstatus"] == "running"


def test_a_guest_that_powers_itself_off_gives_its_cards_back(lab: Lab) -> None:
    lab.make(200, hostpci0="mapping=gpu-vm01-0")
    lab.start(200)
    lab.sim.guest_poweroff(200)
    assert lab.vm(200).status.current.get()["status"] == "stopped"
    assert lab.sim.node(NODE).reservations == {}


def test_a_protected_vm_stays(lab: Lab) -> None:
    lab.make(200, protection=1)
    assert refusal(lab.vm(200).delete).content == "can't remove VM 200 - protection mode enabled"


def test_a_volume_that_cannot_be_freed_is_a_warning(lab: Lab) -> None:
    lab.make(200)
    lab.sim.faults.add(Fault("disk_leaked"))
    upid = lab.vm(200).delete()
    assert lab.end(upid) == "WARNINGS: 1"
    assert lab.sim.vm(200) is None
    assert list(lab.sim.volumes(NODE).values()).count(200) == 1


def test_unreferenced_volumes_go_only_when_asked(lab: Lab) -> None:
    for vmid, flags, left in ((200, {}, 1), (201, {"destroy-unreferenced-disks": 1}, 0)):
        lab.make(vmid)
        lab.sim.faults.add(Fault("disk_leaked", vmid=vmid))
        lab.end(lab.vm(vmid).delete())
        lab.make(vmid)
        assert lab.end(lab.vm(vmid).delete(**flags)) == "OK"
        assert list(lab.sim.volumes(NODE).values()).count(vmid) == left


def test_time_can_be_instant(make_lab: MakeLab) -> None:
    lab = make_lab(time_scale=0)
    lab.make(200, hostpci0="mapping=gpu-vm01-0,pcie=1", memory=262_144)
    assert lab.start(200) == "OK"
    assert lab.address(200).startswith("127.")
    assert lab.end(lab.vm(200).status.shutdown.post()) == "OK"
    assert lab.end(lab.vm(200).delete()) == "OK"
