"""What a run counts, and what has to balance at its end: GPUs of each node, VMs, and work."""

import math
from collections.abc import Sized
from typing import TYPE_CHECKING

from orchestrator.lab.fleet import NODE_GPUS
from orchestrator.lab.metrics import Counts
from orchestrator.lab.vms import Vm

if TYPE_CHECKING:
    from orchestrator.lab.machine import Machine

ROUNDING_SECONDS = 1e-3
"""What sums of a month in floating point may be off by."""


def count_run(vm: Vm, now: float, counts: Counts) -> None:
    """A run that has just ended, one way or the other."""
    spent = min(vm.overhead, now - vm.started)
    vm.ran += now - vm.started
    vm.restarting += spent
    counts.count("restarting", now, vm.gpus * spent)
    count_use(vm, now, counts)


def count_use(vm: Vm, now: float, counts: Counts) -> None:
    """What a run has used until now."""
    used = counts.clip(vm.started, now)
    counts.sums["gpu_seconds"] += vm.gpus * used
    if vm.interruptible and used:
        counts.sums["interruptible_gpu_seconds"] += vm.gpus * used
        counts.sums["full_hours"] += counts.full_hours(vm.started, now)
        counts.ran[vm.id] += used


def count_interruption(
    vm: Vm, now: float, kept: float, unsaved: float, notice: float, counts: Counts
) -> None:
    """`kept`: seconds of work of the run that are saved; `unsaved`: those that are lost beyond the notice,
    which were not when it came."""
    lost = vm.work(now) - kept
    vm.lost += lost
    counts.count("interruptions", now)
    counts.count("lost", now, vm.gpus * unsaved)
    counts.count("lost_in_all", now, vm.gpus * lost)
    counts.count("notice", now, vm.gpus * notice)
    if counts.inside(now):
        counts.interruptions[vm.id] += 1


def count_downtime(vm: Vm, now: float, counts: Counts) -> None:
    """From its interruption until now."""
    seconds = counts.clip(now if vm.down_since is None else vm.down_since, now)
    counts.queued[vm.id] += seconds
    counts.down[vm.id] += seconds


def close(machine: "Machine") -> None:
    """Count what still goes on when the window ends."""
    for vm in machine.running.values():
        count_use(vm, machine.now, machine.counts)
    for vm in machine.down.values():
        count_downtime(vm, machine.now, machine.counts)
        machine.counts.sums["still_down"] += 1
    for vm in machine.waiting:
        machine.counts.queued[vm.id] += machine.counts.clip(vm.request.arrival, machine.now)


def check(machine: "Machine") -> None:
    """Raises ValueError where GPUs, VMs or work were lost or made on the way."""
    held = [0] * machine.nodes.count
    for vm in machine.running.values():
        held[vm.node] += vm.gpus
    for waiter in machine.reclaiming.values():
        held[waiter.vm.node] += waiter.vm.gpus - waiter.missing
    for node, free in enumerate(machine.nodes.free.of):
        if held[node] + free != NODE_GPUS:
            raise ValueError(f"node {node} holds {held[node]} GPUs and has {free} free ones")

    parts: list[Sized] = [machine.running, machine.down, machine.reclaiming, machine.refused, machine.waiting]
    known = machine.ended + sum(len(part) for part in parts)
    if known != len(machine.vms):
        raise ValueError(f"{len(machine.vms)} VMs came, {known} are known")

    for vm in machine.vms:
        useful = vm.request.seconds - vm.left
        if not math.isclose(vm.ran, useful + vm.lost + vm.restarting, abs_tol=ROUNDING_SECONDS):
            raise ValueError(f"VM {vm.id} ran {vm.ran} s for {useful} s of work")
