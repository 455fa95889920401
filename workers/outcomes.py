"""What a step can end in."""

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm


def no_changes(tx: Transaction, vm: Vm) -> None:
    """A step that leaves the store as it is."""


@dataclass(frozen=True)
class Done:
    """On to the next step. `changes` is applied in the very transaction that advances the operation."""

    changes: Callable[[Transaction, Vm], None] = no_changes


@dataclass(frozen=True)
class Again:
    """Try the step again after `seconds`."""

    seconds: float
    error: str


@dataclass(frozen=True)
class Later:
    """Nothing is wrong: the step goes on in `seconds`."""

    seconds: float


@dataclass(frozen=True)
class Parked:
    """Wait for capacity, a node or an operator; costs nothing until woken or rechecked.

    `lacking`: how many GPUs were missing when the step looked.
    """

    wanted: str
    error: str
    recheck_seconds: float
    lacking: int | None = None


@dataclass(frozen=True)
class Failed:
    """Give up and roll back. `reason` is for the VM's owner."""

    reason: str


Outcome = Done | Again | Later | Parked | Failed
