"""Shut down: the VM is off, as PVE confirms. A clean shutdown is tried first: a hard one can lame a GPU."""

from collections.abc import Callable

from orchestrator.errors import PveLocked
from workers.outcomes import Again, Done, Outcome
from workers.proxmox import TaskResult
from workers.steps.ownership import Found, Sighting, hidden, look, root_command
from workers.steps.tasks import Task, await_task, run_if_needed
from workers.work import Work

CLEAN_SECONDS = 60
DEADLINE_SECONDS = 600


def shutdown(work: Work) -> Outcome:
    """Stop our VM if there is one and it runs; nothing of somebody else's is touched."""
    if (upid := work.memo.get(Task.CLONE)) is not None:
        await_task(work, Task.CLONE, upid, deadline_seconds=DEADLINE_SECONDS, what=_earlier(work))
    sighting = look(work)
    if sighting.found in (Found.UNFINISHED, Found.HIDDEN):
        return _wait_for_clone(work, sighting)
    if sighting.found is Found.OURS:
        _let_running_tasks_end(work, sighting.node)
        power_off(work, sighting.node)
    return Done()


def power_off(work: Work, node: str) -> None:
    """Switch our VM off: cleanly if the guest does it within a minute, else hard. Raises PveError."""
    vmid = work.job.vmid

    def is_on() -> bool:
        return work.pve.vm_status(node, vmid).running

    def end(task: Task, issue: Callable[[], str]) -> TaskResult | None:
        what = f"Shutting down VM {vmid} on node {node}"
        return run_if_needed(
            work, task, node, issue, needed=is_on, deadline_seconds=DEADLINE_SECONDS, what=what
        )

    if end(Task.SHUTDOWN, lambda: work.pve.shutdown(node, vmid, CLEAN_SECONDS)) is None:
        return
    result = end(Task.STOP, lambda: work.pve.stop(node, vmid))
    if result is not None and is_on():
        raise result.error()


def _let_running_tasks_end(work: Work, node: str) -> None:
    """An operation that was overtaken may have left a start running: its effect must not come after ours."""
    active = work.pve.active_tasks(node, work.job.vmid)
    for task in (Task.RESIZE, Task.START):
        if (upid := active.get(task)) is not None:
            await_task(work, task, upid, deadline_seconds=DEADLINE_SECONDS, what=_earlier(work))


def _wait_for_clone(work: Work, sighting: Sighting) -> Outcome:
    vmid = work.job.vmid
    upid = work.pve.find_clone_task(work.job.template.pve_node, vmid)
    if upid is None and sighting.found is Found.HIDDEN:
        raise hidden(work, sighting.node)
    if upid is None:
        raise PveLocked(f"VM {vmid} on node {sighting.node} is locked (clone). {root_command(vmid)}")
    work.remember(**{Task.CLONE: upid})
    return Again(0, f"waiting for the clone of VM {vmid}")


def _earlier(work: Work) -> str:
    return f"An earlier task of VM {work.job.vmid}"
