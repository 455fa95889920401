"""Whose VM is under our VMID? Looked at before anything is changed; a VMID alone proves nothing.

With the least privilege that is documented, our token sees VMs of our pool alone, and a clone joins the pool
with its last breath. So existence comes from `nextid`, which needs no privilege on the VM (PVE 9.2).
"""

from dataclasses import dataclass
from enum import Enum

from orchestrator.errors import PveAmbiguous, PveConflict, PveDenied, PveLocked, PveNotHere
from workers.proxmox import VmConfig
from workers.work import Work

STUB_DESCRIPTION = "qmclone temporary file"
"""What PVE itself writes as the description while a clone has not finished its first disk (9.2)."""


class Found(Enum):
    """What stands under the VMID."""

    ABSENT = "nothing"
    OURS = "our VM, marked with its UUID"
    UNFINISHED = "a clone of ours that is being made, or whose maker died"
    HIDDEN = "a VM that our token may not see, where we have asked for a clone"
    FOREIGN = "somebody else's VM"


@dataclass(frozen=True)
class Sighting:
    """`node` is where the VM was seen (PVE name). `config` is there when our token may read it."""

    found: Found
    node: str
    config: VmConfig | None = None


def look(work: Work) -> Sighting:
    """Look on the VM's node, then in the whole cluster.

    Raises PveAmbiguous when the VM appears or disappears between two looks.
    """
    job, node = work.job, work.job.place.pve_node
    if not work.pve.vmid_in_use(job.vmid):
        return Sighting(Found.ABSENT, node)
    try:
        config = work.pve.vm_config(node, job.vmid)
    except PveDenied:
        # Before a clone was asked for nothing there can be ours; afterwards it must not be taken for foreign.
        return Sighting(Found.HIDDEN if job.clone_asked else Found.FOREIGN, node)
    except PveNotHere:
        elsewhere = work.pve.locate(job.vmid)
        if elsewhere in (None, node):
            raise PveAmbiguous(f"VM {job.vmid} is being made or removed on node {node} just now.") from None
        node, config = elsewhere, work.pve.vm_config(elsewhere, job.vmid)
    return Sighting(_whose(work, config), node, config)


def _whose(work: Work, config: VmConfig) -> Found:
    if work.job.marker in config.description.splitlines():
        return Found.UNFINISHED if config.lock == "clone" else Found.OURS
    nameless_stub = config.lock == "clone" and config.description in ("", STUB_DESCRIPTION)
    return Found.UNFINISHED if nameless_stub and work.job.clone_asked else Found.FOREIGN


def hidden(work: Work, node: str) -> PveDenied:
    """What to raise when a VM that may be ours cannot be seen."""
    vmid = work.job.vmid
    return PveDenied(
        f"VM {vmid} exists on node {node}, but the token may not see it: check its rights on pool "
        f"{work.job.place.pool}. {root_command(vmid)}"
    )


def root_command(vmid: int) -> str:
    """What root has to do on the node, as no token may (PVE 9.2)."""
    return f"If a killed clone left it, run there as root `qm unlock {vmid} && qm destroy {vmid} --purge`."


def require_ours(work: Work) -> tuple[str, VmConfig]:
    """The node and configuration of our VM, free to be changed.

    Raises PveNotHere, PveConflict (somebody else's), PveDenied (hidden) or PveLocked.
    """
    sighting = look(work)
    vmid = work.job.vmid
    if sighting.found is Found.ABSENT:
        raise PveNotHere(
            f"VM {vmid} is gone from cluster {work.job.place.cluster_id} with its disk: somebody removed it "
            "there. Delete it and ask for a new one."
        )
    if sighting.found is Found.FOREIGN:
        raise PveConflict(f"VMID {vmid} on node {sighting.node} is not ours any more.")
    if sighting.config is None:
        raise hidden(work, sighting.node)
    if sighting.config.lock:
        raise PveLocked(f"VM {vmid} on node {sighting.node} is locked ({sighting.config.lock}).")
    return sighting.node, sighting.config


def require_in_place(work: Work) -> tuple[str, VmConfig]:
    """The same for a VM that is to run: only its own node has its GPUs. Raises PveConflict elsewhere too."""
    node, config = require_ours(work)
    place = work.job.place
    if node != place.pve_node:
        raise PveConflict(
            f"VM {work.job.vmid} was moved to node {node}: "
            f"an operator has to move it back to {place.pve_node}."
        )
    return node, config
