"""Things that were done to the recorded machine outside HTTP, known from notes and from what followed."""

import re
from collections.abc import Callable

from simulator.faults.injector import Fault
from simulator.machines.stop import power_off
from simulator.replay.transcripts import Exchange
from simulator.server import Server
from simulator.state.nodes import Reservation

Undo = Callable[[], object]
Happening = Callable[[Server, re.Match[str], Exchange], Undo | None]


def _set_role(server: Server, match: re.Match[str], _exchange: Exchange) -> None:
    server.cluster.directory.roles[match[1]] = frozenset(match[2].split(","))


def _reserve(server: Server, vmid: int, pid: int | None) -> None:
    node = server.cluster.entry_node
    expires = server.clock.now() + 3600
    for address in node.devices:
        node.reservations[address] = Reservation(vmid, pid, expires)


def _seed_used(server: Server, match: re.Match[str], _exchange: Exchange) -> None:
    vm = server.cluster.vms[int(match[1])]
    _reserve(server, vm.vmid, vm.running.pid if vm.running else None)


def _seed_reserved(server: Server, _match: re.Match[str], _exchange: Exchange) -> None:
    _reserve(server, _some_running(server), None)


def _seed_leftover(server: Server, _match: re.Match[str], _exchange: Exchange) -> None:
    _reserve(server, _some_running(server), 1)


def _some_running(server: Server) -> int:
    return next((vmid for vmid, vm in server.cluster.vms.items() if vm.running), 100)


def _kill_qemu(server: Server, _match: re.Match[str], exchange: Exchange) -> None:
    vm = server.cluster.vms.get(_vmid(exchange))
    if vm and vm.running:
        power_off(server.world, vm)


def _hide_disk(server: Server, _match: re.Match[str], exchange: Exchange) -> Undo | None:
    """For this start only."""
    vm = server.cluster.vms[_vmid(exchange)]
    volid = next((d["file"] for d in vm.drives().values() if "cloudinit" not in d["file"]), None)
    if volid is None:
        return None
    store = server.cluster.store(volid.split(":")[0], vm.node)
    volume = store.volumes.pop(volid)
    return lambda: store.volumes.update({volid: volume})


def _vmid(exchange: Exchange) -> int:
    match = re.search(r"/qemu/(\d+)", exchange.path)
    return int(match[1]) if match else 0


HAPPENINGS: tuple[tuple[re.Pattern[str], Happening], ...] = (
    (re.compile(r"^role (\S+) now: (\S+)"), _set_role),
    (re.compile(r"^device held by running VM (\d+)"), _seed_used),
    (re.compile(r"^device reserved by a VM that is just starting"), _seed_reserved),
    (re.compile(r"^leftover reservation of a VM"), _seed_leftover),
    (re.compile(r"^QEMU was killed with SIGKILL"), _kill_qemu),
    (re.compile(r"^disk file missing"), _hide_disk),
)


def happen(server: Server, exchange: Exchange) -> Undo | None:
    """Do what a note says was done before this exchange; returns what undoes it before the next change."""
    undo = None
    for pattern, action in HAPPENINGS:
        match = pattern.search(exchange.note)
        if match:
            undo = action(server, match, exchange)
    if exchange.status in (595, 596) and "restarts" in exchange.note:
        name = "unreachable" if exchange.status == 595 else "proxy_timeout_before"
        server.world.faults.add(Fault(name, detail=exchange.reason))
    return undo


def is_violent(exitstatus: str) -> bool:
    """Did somebody end this task from outside?"""
    return exitstatus == "unexpected status" or "interrupted by signal" in exitstatus


def end_task(server: Server, upid: str, recorded: str) -> None:
    """End a worker the way that its recorded exit status tells."""
    if recorded == "unexpected status":
        server.world.tasks.kill(upid)
    elif "interrupted by signal" in recorded:
        job = server.world.tasks.job(upid)
        if job is not None:
            job.interrupt()
