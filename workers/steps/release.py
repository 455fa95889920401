"""Release: hand the GPUs on, once the hypervisor confirms that the VM is off or gone."""

from collections.abc import Callable

from orchestrator.errors import PveConflict
from orchestrator.gpus import claims
from orchestrator.store.database import Transaction
from orchestrator.vms import addresses
from orchestrator.vms.models import Vm
from orchestrator.vms.pipelines import Kind
from workers.outcomes import Done
from workers.proxmox import VmConfig
from workers.steps import cards
from workers.steps.ownership import Found, hidden, look
from workers.work import Work


def release(work: Work) -> Done:
    """See for ourselves that the VM is gone or off, then give up what it does not keep."""
    sighting = look(work)
    if sighting.found is Found.HIDDEN:
        raise hidden(work, sighting.node)
    if sighting.config is not None and _holds_our_cards(work, sighting.node, sighting.config):
        raise PveConflict(
            f"VM {work.job.vmid} on node {sighting.node} runs with our GPUs; they stay claimed."
        )
    return Done(GIVEN_UP[work.job.operation.kind])


def _holds_our_cards(work: Work, node: str, config: VmConfig) -> bool:
    """Also a VM whose marker somebody took away may still run with them."""
    ours = set(work.job.mappings.values())
    return (
        not ours.isdisjoint(cards.named(config).values()) and work.pve.vm_status(node, work.job.vmid).running
    )


def _stopped(tx: Transaction, vm: Vm) -> None:
    """A rental term keeps its GPUs."""
    _leave_dhcp_address(tx, vm)
    if vm.rental_type != "reserved":
        claims.release(tx, vm, because="the VM was stopped, as the hypervisor confirmed")


def _interrupted(tx: Transaction, vm: Vm) -> None:
    _leave_dhcp_address(tx, vm)
    claims.release(tx, vm, because="the VM was interrupted; the hypervisor confirmed that it is off")


def _gone(tx: Transaction, vm: Vm) -> None:
    claims.release(tx, vm, because="the hypervisor confirmed that the VM is gone")
    addresses.free(tx, vm)


def _leave_dhcp_address(tx: Transaction, vm: Vm) -> None:
    """It may be another machine's soon; a static one stays with the VM until that ends."""
    vm.ip_address = addresses.held(tx, vm)


GIVEN_UP: dict[Kind, Callable[[Transaction, Vm], None]] = {
    Kind.STOP: _stopped,
    Kind.INTERRUPT: _interrupted,
    Kind.DESTROY: _gone,
    Kind.ROLL_BACK: _gone,
}
"""What a VM that is off does not need any more, by the operation that switched it off."""
