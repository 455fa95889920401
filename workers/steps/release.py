"""Release: hand the GPUs on, once the hypervisor confirms that the VM is off or gone."""

from orchestrator.errors import PveConflict
from orchestrator.gpus import claims
from orchestrator.store.database import Transaction
from orchestrator.vms import addresses
from orchestrator.vms.models import Vm
from workers.outcomes import Done
from workers.proxmox import VmConfig
from workers.steps.ownership import Found, hidden, look
from workers.work import Work


def release(work: Work) -> Done:
    """See for ourselves that the VM is gone or off, then end its claims."""
    sighting = look(work)
    if sighting.found is Found.HIDDEN:
        raise hidden(work, sighting.node)
    if sighting.config is not None and _holds_our_cards(work, sighting.node, sighting.config):
        raise PveConflict(
            f"VM {work.job.vmid} on node {sighting.node} runs with our GPUs; they stay claimed."
        )
    return Done(_end_claims)


def _holds_our_cards(work: Work, node: str, config: VmConfig) -> bool:
    """Also a VM whose marker somebody took away may still run with them."""
    named = ",".join(config.hostpci.values())
    ours = any(mapping in named for mapping in work.job.mappings.values())
    return ours and work.pve.vm_status(node, work.job.vmid).running


def _end_claims(tx: Transaction, vm: Vm) -> None:
    claims.release(tx, vm, because="the hypervisor confirmed that the VM is gone")
    addresses.free(tx, vm)
