"""Every fault by name does what the catalogue says."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from simulator import Fault, campaign
from simulator.faults.catalogue import CATALOGUE, Moment
from tests.simulator.conftest import MakeLab
from tests.simulator.lab import NODE, TEMPLATE, Lab, eventually, refusal

STATUS = f"/nodes/{NODE}/qemu/{TEMPLATE}/status/current"


def _answer(lab: Lab) -> tuple[int, str]:
    answer = lab.request("GET", STATUS)
    return answer.status_code, answer.reason


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("unauthorized", (401, "Authentication failed!")),
        ("forbidden", (403, "Permission check failed")),
        ("bad_parameter", (400, "Parameter verification failed.")),
        ("server_error", (500, "got no worker upid - start worker failed")),
        ("unreachable", (595, "No route to host")),
        ("proxy_timeout_before", (596, "Connection timed out")),
    ],
)
def test_an_answer_instead_of_the_effect(lab: Lab, fault: str, answer: tuple[int, str]) -> None:
    lab.sim.faults.add(Fault(fault, path="/status/current$"))
    assert lab.api.version.get()
    assert _answer(lab) == answer
    assert _answer(lab) == (200, "OK")
    assert [hit.fault.name for hit in lab.sim.faults.hits] == [fault]


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        ("lost_response_before", False),
        ("hang", False),
        ("proxy_timeout_before", False),
        ("lost_response_after", True),
        ("proxy_timeout_after", True),
        ("garbled_answer", True),
        ("slow_answer", True),
    ],
)
def test_the_effect_with_or_without_its_answer(lab: Lab, fault: str, done: bool) -> None:
    lab.sim.faults.add(Fault(fault, method="POST", path="/clone$"))
    try:
        answer = lab.request(
            "POST", f"/nodes/{NODE}/qemu/{TEMPLATE}/clone", data={"newid": 200, "pool": "innkeeper"}
        )
        text = answer.text if answer.status_code == 200 else ""
    except requests.ConnectionError:
        text = ""
    assert text.startswith('{"data":"UPID:') is (fault == "slow_answer")
    if done:
        eventually(lambda: lab.sim.vm(200) and not lab.sim.vm(200).lock)  # type: ignore[union-attr]
    else:
        time.sleep(0.05)
        assert lab.sim.vm(200) is None


def test_a_late_answer_is_late(make_lab: MakeLab) -> None:
    lab = make_lab(time_scale=0.02)
    lab.sim.faults.add(Fault("slow_answer", seconds=10))
    began = time.monotonic()
    assert _answer(lab) == (200, "OK")
    assert time.monotonic() - began >= 0.2


def _clone(lab: Lab) -> str:
    return lab.clone(200, full=1)


def _start(lab: Lab) -> str:
    lab.make(200, hostpci0="mapping=gpu-vm01-0,pcie=1")
    return lab.start(200)


@pytest.mark.parametrize(
    ("fault", "work", "status"),
    [
        ("flock_timeout", _clone, "can't lock file '/var/lock/qemu-server/lock-200.conf' - got timeout"),
        (
            "storage_lock_timeout",
            _clone,
            "clone failed: can't lock file '/var/lock/pve-manager/pve-storage-local-zfs' - got timeout",
        ),
        ("vmid_taken", _clone, "unable to create VM 200: config file already exists"),
        (
            "vmid_taken_elsewhere",
            _clone,
            "close (rename) atomic file '/etc/pve/nodes/vm01/qemu-server/200.conf' failed: File exists",
        ),
        (
            "storage_full",
            _clone,
            "clone failed: zfs error: cannot create 'rpool/data/vm-200-disk-0': out of space",
        ),
        ("storage_full_copy", _clone, "clone failed: copy failed: command '/usr/bin/qemu-img convert"),
        ("worker_killed", _clone, "unexpected status"),
        ("qemu_exit", _start, "start failed: QEMU exited with code 1"),
        ("gpu_in_use", _start, "PCI device '0000:01:00.0' already in use by VMID '9000"),
        ("gpu_missing", _start, "PCI device mapping invalid (hardware probably changed): pci device"),
        ("gpu_reset_failed", _start, "start failed: command '/usr/bin/kvm -id 200 ...' failed: got timeout"),
        ("slow_start", _start, "start failed: command '/usr/bin/kvm -id 200 ...' failed: got timeout"),
    ],
)
def test_a_worker_that_fails(lab: Lab, fault: str, work: Callable[[Lab], str], status: str) -> None:
    lab.sim.faults.add(Fault(fault, vmid=200))
    assert work(lab).startswith(status)
    assert [hit.fault.name for hit in lab.sim.faults.hits] == [fault]


def test_a_clone_that_fails_leaves_nothing_unless_its_worker_was_killed(lab: Lab) -> None:
    for fault, left in (("storage_full_copy", 0), ("worker_killed", 1)):
        lab.sim.faults.add(Fault(fault))
        lab.clone(200, full=1)
        assert (lab.sim.vm(200) is not None) is bool(left)
        assert bool(list(lab.sim.volumes(NODE).values()).count(200)) is bool(left)


def _run_agent(lab: Lab) -> Any:
    return lab.vm(200).agent("network-get-interfaces").get()["result"]


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("agent_error", lambda result: result["error"]["class"] == "GenericError"),
        ("wrong_interface_first", lambda result: [i["name"] for i in result] == ["lo", "docker0", "eth0"]),
    ],
)
def test_an_agent_that_says_something_else(lab: Lab, fault: str, seen: Callable[[Any], bool]) -> None:
    lab.make(200)
    lab.start(200)
    lab.address(200)
    lab.sim.faults.add(Fault(fault))
    assert seen(_run_agent(lab))
    assert [i["name"] for i in _run_agent(lab)] == ["lo", "eth0"]


def test_an_agent_that_times_out(lab: Lab) -> None:
    lab.make(200)
    lab.start(200)
    lab.address(200)
    lab.sim.faults.add(Fault("agent_timeout"))
    text = "VM 200 qga command 'guest-network-get-interfaces' failed - got timeout"
    assert refusal(lambda: _run_agent(lab)).content == text


@pytest.mark.parametrize("fault", ["agent_never", "agent_late", "address_late", "ssh_never", "ssh_late"])
def test_a_guest_that_comes_late_or_never(lab: Lab, fault: str) -> None:
    lab.make(200)
    lab.sim.faults.add(Fault(fault, seconds=10_000))
    lab.start(200)
    guest = eventually(lambda: lab.sim.call(lambda server: server.world.guests.of(200)))
    eventually(lambda: guest.listening if fault.startswith(("agent", "address")) else guest.agent_up)
    assert guest.agent_up is not fault.startswith("agent")
    assert guest.address_known is not fault.startswith(("agent", "address"))
    assert guest.listening is not fault.startswith("ssh")


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("qemu_killed", lambda lab: not lab.sim.vm(200).running),
        ("guest_poweroff", lambda lab: not lab.sim.vm(200).running),
        ("lock_stuck", lambda lab: lab.sim.vm(200).lock == "clone"),
        ("vm_moved", lambda lab: lab.sim.vm(200).node == "vm02"),
        ("clock_skew", lambda lab: lab.sim.node(NODE).clock_skew == 3600),
        ("tasks_forgotten", lambda lab: not lab.sim.tasks()),
    ],
)
def test_an_event_happens_just_before_a_matching_request(
    lab: Lab, fault: str, seen: Callable[[Lab], bool]
) -> None:
    lab.make(200)
    lab.start(200)
    lab.sim.faults.add(Fault(fault, path="/status/current$"))
    lab.request("GET", f"/nodes/{NODE}/qemu/200/status/current")
    assert seen(lab)


def test_a_node_restarts_and_is_back_by_itself(lab: Lab) -> None:
    lab.sim.faults.add(Fault("node_reboot", path="/status/current$", seconds=50))
    assert _answer(lab)[0] == 595
    eventually(lambda: _answer(lab)[0] == 200)


def test_a_node_that_loses_power_stays_away(lab: Lab) -> None:
    lab.sim.faults.add(Fault("node_down", path="/status/current$"))
    assert _answer(lab)[0] == 595
    assert not lab.sim.node(NODE).online


def test_quorum_and_tokens_come_back_after_their_time(lab: Lab) -> None:
    lab.sim.faults.add(Fault("quorum_lost", path="/config$", seconds=50))
    assert refusal(lambda: lab.vm(TEMPLATE).config.put(cores=1)).content == "cluster not ready - no quorum?"
    eventually(lambda: lab.request("PUT", f"/nodes/{NODE}/qemu/{TEMPLATE}/config", data={"cores": 1}).ok)
    lab.sim.faults.add(Fault("token_revoked", path="/version$", seconds=200))
    lab.request("GET", "/version")
    assert _answer(lab) == (401, "Authentication failed!")
    eventually(lambda: _answer(lab) == (200, "OK"))


def test_a_daemon_that_restarts_interrupts_its_workers(make_lab: MakeLab) -> None:
    lab = make_lab(time_scale=0.05)
    upid = lab.vm(TEMPLATE).clone.post(newid=200, pool="innkeeper", full=1)
    lab.sim.faults.add(Fault("daemon_restart", path="/status/current$"))
    eventually(lambda: len(lab.log(upid)) > 20)
    _answer(lab)
    assert lab.end(upid).endswith("interrupted by signal")
    assert lab.sim.vm(200) is None


def test_how_often_and_where_a_fault_strikes(lab: Lab) -> None:
    lab.sim.faults.add(Fault("server_error", path="/status/current$", skip=1, times=2))
    assert [_answer(lab)[0] for _ in range(5)] == [200, 500, 500, 200, 200]
    lab.sim.faults.add(Fault("server_error", node="vm02", times=None))
    assert _answer(lab)[0] == 200
    assert lab.request("GET", "/nodes/vm02/status").status_code == 500
    lab.sim.faults.clear()
    assert lab.request("GET", "/nodes/vm02/status").status_code == 200


def test_the_seed_repeats_what_probability_decides(make_lab: MakeLab) -> None:
    runs = []
    for _ in range(2):
        lab = make_lab(seed=7)
        lab.sim.faults.add(Fault("server_error", path="/status", times=None, probability=0.5))
        runs.append([_answer(lab)[0] for _ in range(20)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


def test_an_unknown_fault_cannot_be_armed() -> None:
    with pytest.raises(ValueError, match="no fault is called"):
        Fault("nonsense")


def test_every_fault_of_the_catalogue_is_tried() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in CATALOGUE if f'"{name}"' not in tests] == []


def test_a_campaign_of_mishaps_ends_in_order(make_lab: MakeLab) -> None:
    """Every fault of workers at five percent: whoever looks, retries and takes the next VMID gets through."""
    lab = make_lab(nodes=1, gpus_per_node=0, seed=3)
    for fault in campaign(0.05):
        if fault.moment == Moment.TASK:
            lab.sim.faults.add(fault)
    vmids = iter(range(200, 300))
    done = []
    while len(done) < 20:
        vmid = next(vmids)
        if lab.clone(vmid) == "OK":
            eventually(lambda vmid=vmid: lab.start(vmid) in ("OK", f"VM {vmid} already running"))
            done.append(vmid)
    assert [vmid for vmid, vm in lab.sim.vms().items() if vm.running] == done
    assert lab.sim.faults.hits


def test_a_campaign_arms_everything_but_what_is_left_out() -> None:
    armed = campaign(0.02, without=["vm_moved"])
    assert {fault.name for fault in armed} == set(CATALOGUE) - {"vm_moved"}
    assert {(fault.times, fault.probability) for fault in armed} == {(None, 0.02)}


def test_events_spare_templates(lab: Lab) -> None:
    for name in ("lock_stuck", "vm_moved"):
        lab.sim.faults.add(Fault(name, vmid=TEMPLATE))
        _answer(lab)
    template = lab.sim.vm(TEMPLATE)
    assert template is not None
    assert (template.lock, template.node) == (None, NODE)
