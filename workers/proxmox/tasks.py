"""Waiting for a task of Proxmox VE, and saying what became of it.

A POST that answers 200 proves nothing: the exit status of its task does.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from orchestrator.errors import PveAmbiguous, PveError, PveTransient
from workers.proxmox.classify import classify_task
from workers.proxmox.model import TaskState
from workers.proxmox.tasklog import failed_resets, succeeded, warnings_in

log = logging.getLogger(__name__)

_SHOWN_LINES = 20


class TaskSource(Protocol):
    """What the wait needs of a Gateway."""

    def task(self, upid: str) -> TaskState: ...

    def task_log(self, upid: str) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class PollCurve:
    """Seconds between looks at a task. So many looks, `grace_polls`, may find no such task."""

    first_seconds: float = 0.2
    growth: float = 1.5
    longest_seconds: float = 2.0
    grace_polls: int = 4


@dataclass(frozen=True)
class TaskResult:
    """How a task ended. `reset_failed` are the PCI addresses of devices that did not reset."""

    upid: str
    what: str
    ok: bool
    exitstatus: str
    warnings: tuple[str, ...] = ()
    log_tail: tuple[str, ...] = ()
    vanished: bool = False
    reset_failed: tuple[str, ...] = ()

    def error(self, what: str | None = None) -> PveError:
        """The failure as an exception to raise. It may have done part of its work: observe."""
        what = what or self.what
        if self.vanished:
            return PveAmbiguous(f"{what}: PVE does not know the task {self.upid} any more")
        kind = classify_task(self.exitstatus, self.log_tail)
        cause = [line for line in self.log_tail if self.exitstatus not in line][-3:]
        seen = f" (its log: {' / '.join(cause)})" if cause else ""
        return kind(f"{what}: task {self.upid} ended with: {self.exitstatus}{seen}")


def wait_for_task(
    gateway: TaskSource,
    upid: str,
    pause: Callable[[float], None],
    *,
    what: str,
    curve: PollCurve = PollCurve(),
) -> TaskResult:
    """Look at the task until it ended, and read its log.

    `pause(seconds)` is the caller's: it sleeps, and raises to cut the wait short (deadline, shutdown, lost
    lease). There is no deadline here. Looks that fail with PveTransient are repeated. Raises other PveErrors,
    and what `pause` raises.
    """
    seconds = curve.first_seconds
    missing = 0
    while True:
        try:
            state = gateway.task(upid)
            missing = missing + 1 if state.vanished else 0
            if missing > curve.grace_polls:
                return TaskResult(upid=upid, what=what, ok=False, exitstatus="no such task", vanished=True)
            if state.exitstatus is not None:
                return _result(upid, what, state.exitstatus, gateway.task_log(upid))
        except PveTransient as err:
            log.info("%s: a look at its task failed, looking again: %s", what, err)
        pause(seconds)
        seconds = min(seconds * curve.growth, curve.longest_seconds)


def _result(upid: str, what: str, exitstatus: str, lines: tuple[str, ...]) -> TaskResult:
    return TaskResult(
        upid=upid,
        what=what,
        ok=succeeded(exitstatus),
        exitstatus=exitstatus,
        warnings=warnings_in(lines),
        log_tail=lines[-_SHOWN_LINES:],
        reset_failed=failed_resets(lines),
    )
