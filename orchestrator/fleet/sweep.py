"""Carrying out what a sweep came to: operations on what is ours, quarantine, findings for the rest."""

from collections import Counter
from collections.abc import Collection, Iterable
from uuid import UUID

from orchestrator.fleet import findings
from orchestrator.fleet.apart import apart
from orchestrator.fleet.comparison import Destroy, Difference, Found, GiveUpClaims, Lift, Quarantine
from orchestrator.gpus import quarantine
from orchestrator.gpus.claims import held_mappings
from orchestrator.store.database import Database, Transaction
from orchestrator.vms import events, operations
from orchestrator.vms.locks import lock_if_free
from orchestrator.vms.models import Vm
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import ENDED, Status


def carry_out(
    database: Database, cluster_id: str, decided: Iterable[Difference], *, unread: Collection[str] = ()
) -> Counter[str]:
    """Each in a transaction of its own; how many there were, by kind. `unread`: nodes nothing is known of."""
    decided = list(decided)
    found = [each for each in decided if isinstance(each, Found)]
    with database.transaction() as tx:
        findings.record(tx, cluster_id, found, unread=unread)
    for each in decided:
        with apart(str(each)), database.transaction() as tx:
            match each:
                case Destroy(vm_id):
                    _destroy(tx, vm_id)
                case GiveUpClaims(vm_id):
                    _give_up_claims(tx, vm_id)
                case Quarantine(node_id, mapping, cause, reason):
                    quarantine.quarantine(tx, node_id, mapping, cause=cause, reason=reason)
                case Lift(node_id, mapping):
                    quarantine.lift(tx, node_id, mapping, cause="mapping")
    return Counter(type(each).__name__.lower() for each in decided)


def _destroy(tx: Transaction, vm_id: UUID) -> None:
    """Its record has ended, and something of it is left: the steps prove that it is ours before they act."""
    vm = _at_rest(tx, vm_id)
    if vm is not None and vm.status in ENDED:
        why = "something of it is left on the hypervisor, and is removed"
        events.record(tx, vm_id, why, actor=events.INNKEEPER)
        operations.begin(tx, vm, Kind.DESTROY, actor=events.INNKEEPER)


def _give_up_claims(tx: Transaction, vm_id: UUID) -> None:
    """It is off and holds GPUs: its claims end when the hypervisor has confirmed that it is off."""
    vm = _at_rest(tx, vm_id)
    if vm is None or vm.status not in (Status.STOPPED, Status.INTERRUPTED) or not held_mappings(tx, vm):
        return
    events.record(tx, vm_id, "it is off and still holds GPUs, which it gives up", actor=events.INNKEEPER)
    if vm.status == Status.STOPPED:
        operations.begin(tx, vm, Kind.STOP, actor=events.INNKEEPER)
    else:
        operations.begin(tx, vm, Kind.INTERRUPT, actor=events.INNKEEPER, step=Step.SHUTDOWN)


def _at_rest(tx: Transaction, vm_id: UUID) -> Vm | None:
    """The VM, locked, unless it has an operation or is in other hands."""
    vm = lock_if_free(tx, vm_id)
    return vm if vm is not None and operations.live(tx, vm_id) is None else None
