"""Clone: a VM of ours, made from the template, under our VMID."""

from orchestrator.errors import PveAmbiguous, PveBug, PveError
from workers.outcomes import Again, Done, Outcome
from workers.proxmox import TaskResult, VmConfig
from workers.steps.ownership import Found, Sighting, hidden, look, root_command
from workers.steps.tasks import Task, await_task, run_task
from workers.work import Work

DEADLINE_SECONDS = 3600
"""A full clone of a large image from slow storage; linked clones take seconds."""


def clone(work: Work) -> Outcome:
    """Observe first: adopt our clone, wait for one that is being made, leave a taken VMID alone."""
    sighting = look(work)
    match sighting.found:
        case Found.OURS:
            return Done()
        case Found.UNFINISHED | Found.HIDDEN:
            return _wait_for_it(work, sighting)
        case Found.FOREIGN:
            work.change_vmid(f"it belongs to another VM on node {sighting.node}")
            return Again(0, "the VMID was taken")
    return _make_it(work)


def _make_it(work: Work) -> Outcome:
    job, place = work.job, work.job.place
    _check_template(work, work.pve.vm_config(job.template.pve_node, job.template.vmid))
    pause = work.pause_until(DEADLINE_SECONDS, f"A free clone slot on storage {place.storage}")
    with work.pve.clone_slot(place.pve_node, place.storage, pause):
        first = not job.clone_asked
        work.ask_for_clone()
        result = run_task(
            work,
            Task.CLONE,
            job.template.pve_node,
            lambda: _issue(work, first=first),
            deadline_seconds=DEADLINE_SECONDS,
            what=f"Cloning template {job.template.vmid} to VM {job.vmid} on node {place.pve_node}",
        )
    if first and not result.ok and not isinstance(result.error(), PveAmbiguous):
        work.clone_was_refused()  # PVE clears up after a clone that fails, unless its worker was killed
    return _believe(work, result)


def _issue(work: Work, *, first: bool) -> str:
    """Send the request. Name, marker and pool go with it, so that the clone is never without them."""
    job, place = work.job, work.job.place
    try:
        return work.pve.clone(
            job.template.pve_node,
            job.template.vmid,
            job.vmid,
            name=job.name,
            description=f"{job.marker}\nMade by Innkeeper, which needs the line above to know this VM.",
            pool=place.pool,
            full=place.full_clone,
            storage=place.storage,
            target=place.pve_node,
        )
    except PveAmbiguous:
        raise
    except PveError:
        if first:
            work.clone_was_refused()
        raise


def _believe(work: Work, result: TaskResult) -> Done:
    """What PVE shows counts, not what the task says."""
    sighting = look(work)
    if sighting.found is Found.OURS:
        return Done()
    if not result.ok:
        raise result.error()
    work.remember(clone_made=True)  # so that it is not taken for what a killed clone left
    if sighting.found is Found.HIDDEN:
        raise hidden(work, sighting.node)
    raise PveAmbiguous(f"The clone task of VM {work.job.vmid} ended well, but the VM is not to be seen yet.")


def _wait_for_it(work: Work, sighting: Sighting) -> Outcome:
    """A clone is under way, by an earlier attempt whose answer may be lost; or its maker was killed."""
    vmid = work.job.vmid
    upid = work.memo.get(Task.CLONE) or work.pve.find_clone_task(work.job.template.pve_node, vmid)
    if upid is not None:
        what = f"Cloning to VM {vmid}"
        return _believe(
            work, await_task(work, Task.CLONE, upid, deadline_seconds=DEADLINE_SECONDS, what=what)
        )
    if work.memo.get("clone_made"):
        raise hidden(work, sighting.node)
    if not work.memo.get("seen_stuck"):
        # The task may have ended between the two looks; a second look a moment later decides.
        work.remember(seen_stuck=True)
        return Again(1, f"VM {vmid} is locked (clone) and no task is seen")
    # No token may clear a config lock (PVE 9.2); a fresh VMID lets the user go on.
    work.change_vmid(f"a killed clone blocks it on node {sighting.node}. {root_command(vmid)}")
    return Again(0, "the VMID was blocked by a killed clone")


def _check_template(work: Work, template: VmConfig) -> None:
    """Refuse what would make a clone unsafe. Raises PveBug: the operator has to mend the template."""
    name = f"Template {work.job.template.vmid} on node {work.job.template.pve_node}"
    if not template.template:
        raise PveBug(f"{name} is an ordinary VM: convert it to a template.")
    if template.hostpci:
        raise PveBug(f"{name} carries hostpci lines, which every clone would share: remove them.")
    if not template.has_cloudinit_drive:
        raise PveBug(f"{name} has no cloud-init drive: add one.")
    if work.job.template.disk not in template.disk_gib:
        raise PveBug(f"{name} has no disk {work.job.template.disk}: correct the catalog.")
