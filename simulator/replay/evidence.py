"""What a recording tells about its beginning: VMs, hardware and mappings that nobody in it made."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from simulator.replay.transcripts import Exchange, Transcript

_VM_PATH = re.compile(r"^/nodes/([^/]+)/qemu/(\d+)(/.*)?$")
_IN_PATH = re.compile(r"/qemu/([1-9]\d+)")
_LIST_PATH = re.compile(r"^/nodes/([^/]+)/qemu$")
_CLONED_DRIVE = re.compile(r"create (?:full|linked) clone of drive (\w+) \((\S+)\)")
_ELSEWHERE = re.compile(r"VM (\d+) already exists on node '([^']+)'")
_GONE = re.compile(r"does not exist|unable to find configuration file")


@dataclass
class Before:
    """What has to be there before a file is played."""

    vms: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Configurations as the API shows them."""
    running: set[int] = field(default_factory=set)
    elsewhere: dict[int, str] = field(default_factory=dict)
    """VMIDs that are taken on a node that is not there."""
    devices: list[dict[str, Any]] | None = None
    mappings: dict[str, dict[str, Any]] = field(default_factory=dict)
    gone_vms: set[int] = field(default_factory=set)
    """VMs that earlier files left and that are no longer there."""
    gone_mappings: set[str] = field(default_factory=set)


def collect(transcripts: list[Transcript]) -> dict[str, Before]:
    """The state before each file, given that the files before it are played first."""
    present: set[int] = set()
    known_mappings: set[str] = set()
    result: dict[str, Before] = {}
    for position, transcript in enumerate(transcripts):
        later = [e for t in transcripts[position:] for e in t.exchanges if e.is_request]
        before = result[transcript.name] = Before()
        outcome = _outcomes(later)
        before.gone_vms = _vanished(transcript, present)
        present -= before.gone_vms
        for exchange in (e for e in transcript.exchanges if e.is_request):
            _note_vm(exchange, present, before, later, outcome)
            _note_mappings(exchange, known_mappings, before)
            _note_hardware(exchange, before)
            _note_elsewhere(exchange, before)
        present -= set(before.elsewhere)
    return result


def _vanished(transcript: Transcript, present: set[int]) -> set[int]:
    """VMs that were removed between two files: their VMID is given out again, or a listing lacks them."""
    gone: set[int] = set()
    touched: set[int] = set()
    used = {int(number) for e in transcript.exchanges for number in _IN_PATH.findall(e.path)}
    listings = (e for e in transcript.exchanges if _LIST_PATH.match(e.path) and e.method == "GET" and e.data)
    first = next(listings, None)
    if first is not None:
        gone |= present - used - {line["vmid"] for line in first.data}
    for exchange in transcript.exchanges:
        newid = int(exchange.parameters.get("newid") or 0)
        if newid in present - touched and exchange.status == 200:
            gone.add(newid)
        touched |= {newid, *(int(number) for number in _IN_PATH.findall(exchange.path))}
    return gone


def _outcomes(exchanges: list[Exchange]) -> dict[str, str]:
    """Exit statuses by UPID."""
    return {
        e.data["upid"]: e.data["exitstatus"]
        for e in exchanges
        if isinstance(e.data, dict) and "upid" in e.data and "exitstatus" in e.data
    }


def _note_vm(
    exchange: Exchange, present: set[int], before: Before, later: list[Exchange], outcome: dict[str, str]
) -> None:
    for vmid, is_running in _seen(exchange, outcome):
        if vmid not in present:
            present.add(vmid)
            before.vms[vmid] = _config_of(vmid, later)
            if is_running or (is_running is None and _runs(vmid, later)):
                before.running.add(vmid)
    created = exchange.parameters.get("newid") or (
        exchange.parameters.get("vmid")
        if _LIST_PATH.match(exchange.path) and exchange.method == "POST"
        else None
    )
    if created and exchange.status == 200:
        present.add(int(created))  # even if it fails later: nothing of it was there before
    succeeded = outcome.get(str(exchange.data), "OK") == "OK" and exchange.status == 200
    match = _VM_PATH.match(exchange.path.split("?")[0])
    if match and exchange.method == "DELETE" and not match[3] and succeeded:
        present.discard(int(match[2]))


def _seen(exchange: Exchange, outcome: dict[str, str]) -> Iterator[tuple[int, bool | None]]:
    """(VMID, does it run?) of every VM whose existence an exchange proves."""
    if _LIST_PATH.match(exchange.path) and exchange.method == "GET" and exchange.status == 200:
        for line in exchange.data or []:
            yield line["vmid"], line["status"] == "running"
    match = _VM_PATH.match(exchange.path.split("?")[0])
    if match is None:
        return
    words = f"{exchange.reason} {outcome.get(str(exchange.data), '')}"
    unproven = exchange.status in (400, 403, 501, 595, 596) or _GONE.search(words)
    if unproven or match[2].startswith("0"):
        return
    yield int(match[2]), None


def _runs(vmid: int, later: list[Exchange]) -> bool:
    """The first hint whether a VM runs."""
    path = f"/qemu/{vmid}/"
    for exchange in later:
        if f"VM {vmid} already running" in json.dumps(exchange.body):
            return True
        if path not in f"{exchange.path}/":
            continue
        data = exchange.data
        if isinstance(data, dict) and data.get("status") in ("running", "stopped") and "qmpstatus" in data:
            return bool(data["status"] == "running")
        if "/agent/" in exchange.path:
            return "not running" not in exchange.reason or "agent" in exchange.reason
    return False


def _config_of(vmid: int, later: list[Exchange]) -> dict[str, Any]:
    """The first configuration that is shown of a VM; its line in a listing when there is none."""
    line: dict[str, Any] = {}
    for exchange in later:
        if exchange.status != 200 or exchange.method != "GET":
            continue
        if exchange.path.endswith(f"/qemu/{vmid}/config"):
            return dict(exchange.data)
        if exchange.path.endswith(f"/qemu/{vmid}/pending"):
            return {entry["key"]: entry.get("value") for entry in exchange.data if "value" in entry}
        if _LIST_PATH.match(exchange.path):
            line = next((row for row in exchange.data if row["vmid"] == vmid), line)
    if copy := _config_of_clone(vmid, later):
        return copy
    memory = int(line.get("maxmem", 512 * 1024**2)) // 1024**2
    config = {"name": line.get("name", f"vm{vmid}"), "cores": line.get("cpus", 1), "memory": str(memory)}
    return config | ({"template": 1} if line.get("template") else {})


def _config_of_clone(vmid: int, later: list[Exchange]) -> dict[str, Any]:
    """A VM that is only ever cloned looks like its clones; where those are linked, it is a template."""
    clones = {
        int(e.parameters["newid"])
        for e in later
        if e.path.endswith(f"/qemu/{vmid}/clone") and e.status == 200 and "newid" in e.parameters
    }
    shown = (
        e.data
        for e in later
        if (match := _VM_PATH.match(e.path))
        and (e.method, e.status, match[3], int(match[2]) in clones) == ("GET", 200, "/config", True)
        and "lock" not in e.data
    )
    config = dict(next(shown, {}))
    config.pop("description", None)
    for drive, volid in _cloned_drives(vmid, later).items():
        _, comma, rest = str(config.get(drive, "")).partition(",")
        config[drive] = f"{volid}{comma}{rest}"
        if volid.rpartition("/")[2].startswith("base-"):
            config["template"] = 1
    return config


def _cloned_drives(vmid: int, later: list[Exchange]) -> dict[str, str]:
    """The drives of a VM as the logs of its clones name them."""
    drives: dict[str, str] = {}
    for exchange in later:
        lines = [line["t"] for line in exchange.data or []] if exchange.path.endswith("/log") else []
        if lines and lines[0].startswith(f"creating a clone of VM {vmid} "):
            drives |= {match[1]: match[2] for line in lines if (match := _CLONED_DRIVE.search(line))}
    return drives


def _note_mappings(exchange: Exchange, known: set[str], before: Before) -> None:
    if exchange.path == "/cluster/mapping/pci" and exchange.method == "POST" and exchange.status == 200:
        known.add(str(exchange.parameters.get("id")))
    if exchange.path.startswith("/cluster/mapping/pci/") and exchange.method == "DELETE":
        known.discard(exchange.path.rsplit("/", 1)[-1])
    if not exchange.path.startswith("/cluster/mapping/pci") or exchange.method != "GET":
        return
    if exchange.status != 200:
        return
    shown = exchange.data if isinstance(exchange.data, list) else [exchange.data]
    if isinstance(exchange.data, list) and shown:
        missing = known - {mapping["id"] for mapping in shown}
        before.gone_mappings |= missing
        known -= missing
    for mapping in shown:
        name = mapping.get("id") or exchange.path.rsplit("/", 1)[-1]
        if name not in known:
            known.add(name)
            before.mappings[name] = mapping


def _note_hardware(exchange: Exchange, before: Before) -> None:
    if exchange.path.endswith("/hardware/pci") and exchange.status == 200 and before.devices is None:
        before.devices = exchange.data


def _note_elsewhere(exchange: Exchange, before: Before) -> None:
    for vmid, node in _ELSEWHERE.findall(exchange.reason):
        if not exchange.path.startswith(f"/nodes/{node}/"):
            before.elsewhere[int(vmid)] = node
