"""PVE tasks inside steps: started once, waited for across attempts."""

from collections.abc import Callable
from enum import StrEnum

from workers.proxmox import TaskResult, wait_for_task
from workers.work import Work


class Task(StrEnum):
    """PVE's types of the tasks that steps start; the UPID is kept in the memo under the same name."""

    CLONE = "qmclone"
    RESIZE = "resize"
    START = "qmstart"
    SHUTDOWN = "qmshutdown"
    STOP = "qmstop"
    DESTROY = "qmdestroy"


def run_task(
    work: Work, task: Task, node: str, issue: Callable[[], str], *, deadline_seconds: float, what: str
) -> TaskResult:
    """Start a task, unless one of an earlier attempt is still known or running, and wait for its end.

    Raises DeadlinePassed and what cuts a wait short; the UPID stays in the memo then.
    """
    upid = _earlier(work, task, node) or _start(work, task, issue)
    return await_task(work, task, upid, deadline_seconds=deadline_seconds, what=what)


def run_if_needed(
    work: Work,
    task: Task,
    node: str,
    issue: Callable[[], str],
    *,
    needed: Callable[[], bool],
    deadline_seconds: float,
    what: str,
) -> TaskResult | None:
    """The same, if it is `needed`; None: it is not.

    That is asked after the look for an earlier task: one that ended before has had its effect by then.
    """
    upid = _earlier(work, task, node)
    if upid is None and not needed():
        return None
    return await_task(
        work, task, upid or _start(work, task, issue), deadline_seconds=deadline_seconds, what=what
    )


def _earlier(work: Work, task: Task, node: str) -> str | None:
    """The UPID of what an earlier attempt has started; it may have been cut off before it could note it."""
    upid: str | None = work.memo.get(task)
    if upid is None and work.job.operation.attempt > 1:
        upid = work.pve.active_tasks(node, work.job.vmid).get(task)
    return upid


def _start(work: Work, task: Task, issue: Callable[[], str]) -> str:
    upid = work.act(issue)
    work.remember(**{task: upid})
    return upid


def await_task(work: Work, task: Task, upid: str, *, deadline_seconds: float, what: str) -> TaskResult:
    """Wait for a task that was started before."""
    pause = work.pause_until(deadline_seconds, what)
    result = wait_for_task(work.pve, upid, pause, what=what)
    work.remember(**{task: None})
    return result
