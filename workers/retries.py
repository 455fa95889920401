"""How errors become outcomes: one table of retry curves by error class, one function."""

import random
from dataclasses import dataclass

from orchestrator.errors import (
    ConfigurationError,
    DeadlinePassed,
    InnkeeperError,
    InsufficientCapacity,
    PveAmbiguous,
    PveBug,
    PveCapacity,
    PveConflict,
    PveDenied,
    PveDevice,
    PveLocked,
    PveNoAccess,
    PveNotHere,
    PveTransient,
    PveUnreachable,
    SshAuthNotOffered,
    SshNotYet,
)
from orchestrator.settings import Settings
from orchestrator.vms.pipelines import PIPELINES, Kind, Step
from workers.outcomes import Again, Failed, Outcome, Parked

JITTER = 0.3


@dataclass(frozen=True)
class Curve:
    """`attempts` starts of the step in all; waits of `first` × `factor`ⁿ seconds, at most `cap`, ± 30 %."""

    attempts: int
    first: float = 1
    factor: float = 1.5
    cap: float = 15

    def wait(self, attempt: int) -> float:
        """Seconds to wait after the given attempt, counted from 1."""
        plain = min(self.cap, self.first * self.factor ** (attempt - 1))
        return plain * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 (jitter, not a secret)


OPERATORS_WORK = (PveNoAccess, ConfigurationError)
"""Whatever was asked for waits until an operator has mended the access to the cluster."""

CURVES: dict[type[Exception], Curve] = {
    # Subclasses stand before their base: the first match counts.
    PveUnreachable: Curve(attempts=6),
    PveTransient: Curve(attempts=12),
    PveAmbiguous: Curve(attempts=12),
    PveConflict: Curve(attempts=8),
    PveLocked: Curve(attempts=16, first=2, cap=30),
    PveCapacity: Curve(attempts=4, first=5, cap=60),
    PveDevice: Curve(attempts=1),
    PveNotHere: Curve(attempts=4),
    PveDenied: Curve(attempts=4, first=2),
    PveBug: Curve(attempts=1),
    SshAuthNotOffered: Curve(attempts=4, first=3),
    SshNotYet: Curve(attempts=12),
    DeadlinePassed: Curve(attempts=1),
    Exception: Curve(attempts=4, first=2),
}
"""Seen in PVE's most careful client: transport 1 s × 1.5ⁿ ≤ 15 s, storage locks 2 s × 1.5ⁿ ≤ 30 s."""


def outcome_of(error: Exception, *, kind: Kind, step: Step, attempt: int, settings: Settings) -> Outcome:
    """What a step's error means for its operation.

    A pipeline that may not fail waits for an operator where another would give up; so does every shutdown,
    because what undoes an operation begins with one. A node that does not answer is waited for by all, and
    so is an operator where a cluster lets none of us in.
    """
    if isinstance(error, InsufficientCapacity):
        return Parked("capacity", error.detail, settings.node_recheck_seconds, error.facts.get("needed"))
    text = (
        str(error)
        if isinstance(error, InnkeeperError)
        else (f"Internal error ({type(error).__name__}); the operators' log has the details.")
    )
    curve = next(curve for known, curve in CURVES.items() if isinstance(error, known))
    if attempt < curve.attempts:
        return Again(curve.wait(attempt) * settings.pace, text)
    if isinstance(error, PveUnreachable):
        return Parked("node", text, settings.node_recheck_seconds)
    gives_up = PIPELINES[kind].undo is not None and step is not Step.SHUTDOWN
    if gives_up and not isinstance(error, OPERATORS_WORK):
        return Failed(text)
    return Parked("operator", text, settings.operator_recheck_seconds)
