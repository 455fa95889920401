"""Delete: nothing of the VM is left on the hypervisor."""

from orchestrator.errors import PveConflict
from workers.outcomes import Done
from workers.steps.ownership import Found, look, require_ours
from workers.steps.shutdown import power_off
from workers.steps.tasks import Task, run_if_needed
from workers.work import Work

DEADLINE_SECONDS = 600


def delete(work: Work) -> Done:
    """Destroy our VM with its disks, after ownership was proven anew; report what PVE could not remove."""
    vmid = work.job.vmid
    result = run_if_needed(
        work,
        Task.DESTROY,
        work.job.place.pve_node,
        lambda: work.pve.destroy(_off(work), vmid),
        needed=lambda: look(work).found not in (Found.ABSENT, Found.FOREIGN),
        deadline_seconds=DEADLINE_SECONDS,
        what=f"Destroying VM {vmid} on node {work.job.place.pve_node}",
    )
    if result is None:
        return Done()  # nothing of ours is there; what is somebody else's stays
    if look(work).found is not Found.ABSENT:
        raise result.error() if not result.ok else PveConflict(f"VM {vmid} outlived its destroy task.")
    for warning in result.warnings:
        work.note(f"An operator has to remove a leftover by hand: {warning}")
    return Done()


def _off(work: Work) -> str:
    """The node of our VM, which is off: somebody may have started it again since it was shut down."""
    node, _ = require_ours(work)
    power_off(work, node)
    return node
