"""What a VM is charged for in which status: one table, no clock, no database."""

from dataclasses import dataclass
from decimal import Decimal

from orchestrator.vms.statuses import ENDED, Status


@dataclass(frozen=True)
class Charge:
    """`quantity` in GPUs or GB, `hourly_rate` of the whole quantity."""

    quantity: int
    hourly_rate: Decimal


@dataclass(frozen=True)
class Rented:
    """What a VM comes to, at its present rates."""

    rental_type: str
    gpu: Charge
    storage: Charge


RUNNING = frozenset({Status.RUNNING})
THE_WHOLE_TERM = frozenset(Status) - ENDED - {Status.OFFLINE}

GPU_CHARGED_IN: dict[str, frozenset[Status]] = {
    "on_demand": RUNNING,
    "interruptible": RUNNING,
    "reserved": THE_WHOLE_TERM,
}
"""A term holds its GPUs also for a VM that is off; nobody pays for GPUs of a node that does not answer."""


def charges(rented: Rented, status: Status, *, has_run: bool) -> dict[str, Charge]:
    """Charges by resource. Nothing before a VM has run for the first time: a create that fails is free.

    Storage is charged from then on until the VM has ended.
    """
    if status in ENDED or not has_run:
        return {}
    due = {"storage": rented.storage}
    if status in GPU_CHARGED_IN[rented.rental_type]:
        due["gpu"] = rented.gpu
    return due
