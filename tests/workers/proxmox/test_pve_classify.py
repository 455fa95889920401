"""The one table that turns PVE's sentences into error classes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import (
    PveAgentSilent,
    PveAmbiguous,
    PveBug,
    PveCapacity,
    PveConflict,
    PveDenied,
    PveDevice,
    PveError,
    PveLocked,
    PveNoAccess,
    PveNotHere,
    PveTransient,
    PveUnreachable,
)
from workers.proxmox.classify import RULES, TaskGone, classify_http, classify_task
from workers.proxmox.redaction import error_text

RECORDINGS = Path(__file__).parents[4] / "shared" / "pve" / "transcripts"

# Told by status and text, whether it was a read or a change.
EITHER: list[tuple[int, str, type[PveError]]] = [
    (400, "Parameter verification failed. vmid: VM 101 already exists", PveConflict),
    (400, "Parameter verification failed. upid: no such task", TaskGone),
    (400, "Parameter verification failed. upid: unable to parse worker upid", TaskGone),
    (400, "Parameter verification failed. onboot: type check ('boolean') failed - got 'True'", PveBug),
    (401, "No ticket", PveNoAccess),
    (401, "Authentication failed!", PveNoAccess),
    (401, "permission denied - invalid PVE ticket", PveNoAccess),
    (403, "Permission check failed (/vms/101, VM.Clone)", PveDenied),
    (403, "Permission check failed", PveDenied),
    (404, "Not Found", PveBug),
    (429, "Too Many Requests", PveTransient),
    (501, "Method 'GET /nope' not implemented", PveBug),
    (503, "Service Unavailable", PveTransient),
    (595, "No route to host", PveUnreachable),
    (595, "", PveUnreachable),
    (304, "", PveBug),
    (500, "hostname lookup 'pve9' failed - failed to get address info for: pve9", PveUnreachable),
    (500, "QEMU guest agent is not running", PveAgentSilent),
    (500, "VM 101 qga command 'guest-network-get-interfaces' failed - got timeout", PveAgentSilent),
    (500, "VM 101 qmp command 'guest-file-open' failed - got timeout", PveAgentSilent),
    (500, "Agent error: Command guest-file-open has been disabled", PveBug),
    (500, "Agent error: failed to open file '/no/such' (mode: 'w'): No such file or directory", PveBug),
    (500, "Agent error: something for the moment", PveAgentSilent),
    (500, "No QEMU guest agent configured", PveBug),
    (500, "VM 101 is not running", PveConflict),
    (500, "storage 'fast' is not online", PveTransient),
    (500, "storage 'fast' is not available on node 'vm01'", PveBug),
]

# Told by the text alone, in an HTTP 500 as well as in a task's exit status.
FAILURES: list[tuple[str, type[PveError]]] = [
    ("unable to create VM 101: config file already exists", PveConflict),
    ("unable to create VM 101 - VM 101 already exists on node 'vm02'", PveConflict),
    ("checksum mismatch (file change by other user?)", PveConflict),
    ("VM 101 already running", PveConflict),
    ("VM 101 not running", PveConflict),
    ("VM 101 is running - destroy failed", PveConflict),
    ("base volume 'fast:base-9000-disk-0' is still in use by linked cloned", PveConflict),
    ("VM is locked (clone)", PveLocked),
    ("can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout", PveLocked),
    ("Configuration file 'nodes/vm01/qemu-server/101.conf' does not exist", PveNotHere),
    ("unable to find configuration file for VM 101 on node 'vm01'", PveNotHere),
    ("cluster not ready - no quorum?", PveTransient),
    ("cfs-lock 'file-user_cfg' error: no quorum!", PveTransient),
    ("PCI device mapping not found for 'gpu-a'", PveDevice),
    ("mapping 'gpu-a' not found", PveDevice),
    ("can't remove VM 101 - protection mode enabled", PveDenied),
    ("unable to remove VM 101 - used in HA resources and purge parameter not set.", PveBug),
    ("only root can set 'hostpci0' config for non-mapped devices", PveBug),
    ("only root can set 'args' config", PveBug),
    ("storage 'fast' does not exist", PveBug),
    ("storage 'fast' is disabled", PveBug),
    ("Linked clone feature is not supported for 'fast:9000/vm-9000-disk-0.qcow2' (scsi0)", PveBug),
    ("parameter 'storage' not allowed for linked clones", PveBug),
    ("shrinking disks is not supported", PveBug),
    ("disk 'scsi9' does not exist", PveBug),
    ("you can't resize a cdrom", PveBug),
    ("you can't start a vm if it's a template", PveBug),
    ("no such cluster node 'vm99'", PveBug),
    ("no options specified", PveBug),
    ("SSH public key validation error", PveBug),
    ("bridge 'vmbr9' does not exist", PveBug),
]

TASKS: list[tuple[str, type[PveError]]] = [
    ("unexpected status", PveAmbiguous),
    ("unable to get last line from task log - file is empty", PveAmbiguous),
    ("interrupted by signal", PveTransient),
    ("received interrupt", PveTransient),
    ("clone failed: copy failed: command 'qemu-img convert' failed: interrupted by signal", PveTransient),
    (
        "close (rename) atomic file '/etc/pve/nodes/vm01/qemu-server/101.conf' failed: File exists",
        PveConflict,
    ),
    ("clone failed: lvcreate 'pve/vm-101-cloudinit' error: LV already exists in volume group", PveConflict),
    ("clone failed: rbd create 'vm-101-disk-0' error: (17) File exists", PveConflict),
    ("clone failed: can't lock file '/var/lock/pve-manager/pve-storage-fast' - got timeout", PveTransient),
    ("clone failed: cfs-lock 'storage-fast' error: got lock request timeout", PveTransient),
    ("clone failed: 'storage-fast'-locked command timed out - aborting", PveTransient),
    ("command '/sbin/lvs --separator' failed: got timeout", PveTransient),
    (
        "PCI device mapping invalid (hardware probably changed): 'iommugroup' does not match (43 != 42)",
        PveDevice,
    ),
    ("PCI device '0000:81:00.0' already in use by VMID '102'", PveDevice),
    ("PCI device '0000:81:00.0' is currently reserved for use by VMID '102'", PveTransient),
    ("could not find a free device for 'hostpci0'", PveDevice),
    ("device '0000:81:00.0' assigned more than once", PveBug),
    ("no PCI device found for '0000:81:00'", PveDevice),
    ("can't unbind/bind PCI group to VFIO '0000:81:00.0'", PveDevice),
    ("Cannot bind 0000:81:00.0 to vfio", PveDevice),
    ("cannot prepare PCI pass-through, IOMMU not present", PveDevice),
    ("could not create mediated device", PveDevice),
    ("q35 machine model is not enabled at PCI.pm line 500.", PveBug),
    ("MAX 2 vcpus allowed per VM on this node", PveBug),
    ("start failed: QEMU exited with code 1", PveTransient),
    ("start failed: command '/usr/bin/kvm -id 101' failed: got timeout", PveTransient),
    ("VM quit/powerdown failed - got timeout", PveTransient),
    ("clone failed: not enough free space (10 < 20)", PveCapacity),
    ("clone failed: zfs error: cannot create 'tank/vm-101-disk-0': out of space", PveCapacity),
    ("clone failed: lvcreate 'pve/vm-101-disk-0' error: insufficient free extents", PveCapacity),
    ("clone failed: rbd create 'vm-101-disk-0' error: (28) quota", PveCapacity),
    ("a sentence that no version had so far", PveTransient),
]

# (change?, status, text): where the two differ because a lost answer leaves open what happened.
BY_KIND: list[tuple[bool, int, str, type[PveError]]] = [
    (False, 596, "Connection timed out", PveTransient),
    (True, 596, "Connection timed out", PveAmbiguous),
    (False, 597, "", PveTransient),
    (True, 597, "", PveAmbiguous),
    (True, 599, "", PveAmbiguous),
    (False, 500, "a sentence that no version had so far", PveTransient),
    (True, 500, "a sentence that no version had so far", PveAmbiguous),
    (False, 502, "Bad Gateway", PveTransient),
    (True, 504, "Gateway Timeout", PveAmbiguous),
    (
        True,
        400,
        "Parameter verification failed. net1: hotplug problem - VM 101 qmp command failed",
        PveAmbiguous,
    ),
]

# Exit statuses that hide their cause, with a log that tells it.
BY_LOG: list[tuple[str, str, type[PveError]]] = [
    (
        "start failed: QEMU exited with code 1",
        "kvm: -device vfio-pci,host=0000:81:00.0: vfio 0000:81:00.0: group 42 is not viable",
        PveDevice,
    ),
    (
        "start failed: QEMU exited with code 1",
        "kvm: -device vfio-pci,host=0000:81:00.0: vfio 0000:81:00.0: dma_map: Cannot allocate memory",
        PveCapacity,
    ),
    (
        "start failed: QEMU exited with code 1",
        "kvm: cannot set up guest memory 'pc.ram': Cannot allocate memory",
        PveCapacity,
    ),
    (
        "start failed: command '/usr/bin/kvm -id 101' failed: got timeout",
        "failed to reset PCI device '0000:81:00.0', but trying to continue",
        PveDevice,
    ),
    (
        "clone failed: copy failed: command '/usr/bin/qemu-img convert' failed: exit code 1",
        "qemu-img: error while writing at byte 0: No space left on device",
        PveCapacity,
    ),
    ("start failed: QEMU exited with code 1", "generating cloud-init ISO", PveTransient),
    ("VM is locked (backup)", "No space left on device", PveLocked),
]


@pytest.mark.parametrize("change", [False, True])
@pytest.mark.parametrize(("status", "text", "kind"), EITHER)
def test_status_and_text_decide(status: int, text: str, kind: type[PveError], change: bool) -> None:
    assert classify_http(status, text, change=change) is kind


@pytest.mark.parametrize(("text", "kind"), FAILURES)
def test_a_failure_means_the_same_at_once_and_in_a_task(text: str, kind: type[PveError]) -> None:
    assert classify_http(500, text, change=True) is kind
    assert classify_http(500, text, change=False) is kind
    assert classify_task(text, ()) is kind


@pytest.mark.parametrize(("text", "kind"), TASKS)
def test_a_tasks_exit_status_decides(text: str, kind: type[PveError]) -> None:
    assert classify_task(text, ()) is kind


@pytest.mark.parametrize(("change", "status", "text", "kind"), BY_KIND)
def test_a_lost_answer_is_harmless_for_a_read_only(
    change: bool, status: int, text: str, kind: type[PveError]
) -> None:
    assert classify_http(status, text, change=change) is kind


@pytest.mark.parametrize(("exitstatus", "line", "kind"), BY_LOG)
def test_the_log_tells_what_the_exit_status_hides(exitstatus: str, line: str, kind: type[PveError]) -> None:
    assert classify_task(exitstatus, ["generating cloud-init ISO", line, f"TASK ERROR: {exitstatus}"]) is kind


def test_every_row_of_the_table_is_reached_by_a_case_above() -> None:
    probes = [(f"{kind} {status}", text) for status, text, _ in EITHER for kind in ("read", "change")]
    probes += [(where, text) for text, _ in FAILURES for where in ("read 500", "change 500", "task")]
    probes += [("task", text) for text, _ in TASKS] + [("log", line) for _, line, _ in BY_LOG]
    probes += [(f"{'change' if change else 'read'} {status}", text) for change, status, text, _ in BY_KIND]
    reached = {
        next((i for i, rule in enumerate(RULES) if rule.where.fullmatch(w) and rule.text.search(t)), None)
        for w, t in probes
    }
    unreached = [RULES[i].text.pattern for i in range(len(RULES)) if i not in reached]
    assert unreached == []


def _recorded() -> Iterator[dict[str, Any]]:
    for file in sorted(RECORDINGS.glob("*.json")):
        yield from (exchange for exchange in json.loads(file.read_text()) if "method" in exchange)


def _recorded_only() -> None:
    if not RECORDINGS.is_dir():
        pytest.skip(f"the recordings of a Proxmox VE 9.2 are not at {RECORDINGS}")


# Which class each kind of recorded refusal has to get, by a word that is its own.
RECORDED_WORDS: list[tuple[int, str, type[PveError]]] = [
    (500, "is locked", PveLocked),
    (500, "Configuration file", PveNotHere),
    (500, "find configuration file", PveNotHere),
    (500, "already exists", PveConflict),
    (500, "checksum", PveConflict),
    (500, "hostname lookup", PveUnreachable),
    (500, "guest agent is not running", PveAgentSilent),
    (500, "only root", PveBug),
    (500, "Linked clone", PveBug),
    (500, "linked clones", PveBug),
    (500, "protection mode", PveDenied),
    (500, "is disabled", PveBug),
]


def test_no_recorded_error_answer_is_left_to_chance() -> None:
    _recorded_only()
    checked = 0
    for exchange in _recorded():
        status, body = exchange["status"], exchange["response_body"]
        if status < 400:
            continue
        change = exchange["method"] != "GET"
        text = error_text(exchange["reason"], body if isinstance(body, dict) else {}, ())
        kind = classify_http(status, text, change=change)
        checked += 1
        if status in (401, 403):
            assert kind is (PveNoAccess if status == 401 else PveDenied), text
        if status == 501:
            assert kind is PveBug, text
        if status == 400:
            assert kind in (PveBug, PveConflict, TaskGone, PveAmbiguous), text
        for at, word, wanted in RECORDED_WORDS:
            if status == at and word in text:
                assert kind is wanted, text
    assert checked > 100


def test_recorded_task_results_have_the_class_that_their_words_say() -> None:
    _recorded_only()
    words: list[tuple[str, type[PveError]]] = [
        (r"lock", PveLocked),
        (r"File exists", PveConflict),
        (r"already in use by VMID|free device|mapping|no PCI device|IOMMU", PveDevice),
        (r"reserved", PveTransient),
        (r"signal", PveTransient),
        (r"unexpected", PveAmbiguous),
        (r"Configuration file", PveNotHere),
        (r"already running", PveConflict),
    ]
    checked = 0
    for exchange in _recorded():
        data = (exchange["response_body"] or {}) if isinstance(exchange["response_body"], dict) else {}
        result = data.get("data")
        if not isinstance(result, dict) or result.get("exitstatus", "OK") == "OK":
            continue
        wanted = next((kind for word, kind in words if re.search(word, result["exitstatus"])), None)
        if wanted:
            assert classify_task(result["exitstatus"], ()) is wanted, result["exitstatus"]
            checked += 1
    assert checked > 20
