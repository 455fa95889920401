"""Asking for one very VM what the listing made doubtful: fresh answers, and whose it is."""

from uuid import UUID

from orchestrator.errors import PveDenied, PveNotHere
from orchestrator.fleet.reconcile import Proof
from orchestrator.fleet.sightings import marker
from workers.proxmox import Gateway


def prove(pve: Gateway, *, vm_id: UUID, vmid: int, node: str) -> Proof:
    """What stands under the VMID. Existence comes from `nextid`, which needs no right on the VM (PVE 9.2);
    ownership from the marker. Raises PveError."""
    if not pve.vmid_in_use(vmid):
        return Proof.GONE
    try:
        config = pve.vm_config(node, vmid)
    except (PveDenied, PveNotHere):
        return Proof.UNCLEAR
    if marker(vm_id) not in config.description.splitlines() or config.lock:
        return Proof.UNCLEAR
    return Proof.ON if pve.vm_status(node, vmid).running else Proof.OFF
