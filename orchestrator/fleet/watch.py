"""Applying a look at a cluster: nodes, statuses, present use; and which VMs have to be looked at closely."""

from orchestrator.fleet import doubts, facts, use
from orchestrator.fleet.apart import apart
from orchestrator.fleet.facts import Tracked
from orchestrator.fleet.nodes import Patience, look_at_nodes
from orchestrator.fleet.reconcile import Verdict, judge, status_of
from orchestrator.fleet.sightings import Shown, Snapshot, shown
from orchestrator.store.database import Database, Transaction
from orchestrator.vms import events
from orchestrator.vms.locks import lock_if_free
from orchestrator.vms.models import Vm
from orchestrator.vms.statuses import Status
from orchestrator.vms.transitions import move


def apply(
    database: Database, cluster_id: str, snapshot: Snapshot | None, patience: Patience
) -> list[Tracked]:
    """Apply what a cluster shows (None: it does not answer), in short transactions.

    Returns the VMs that have to be looked at closely; what comes of that goes to `remedies.settle`.
    """
    with database.transaction() as tx:
        look_at_nodes(tx, cluster_id, snapshot, patience)
    with database.transaction() as tx:
        vms = facts.of_cluster(tx, cluster_id)
        doubted = doubts.of_cluster(tx, cluster_id)
    if snapshot is not None:
        use.write(database, vms, snapshot)
    return [vm for vm in vms if _look_at(database, vm, snapshot, patience, doubted=vm.vm_id in doubted)]


def _look_at(
    database: Database, vm: Tracked, snapshot: Snapshot | None, patience: Patience, *, doubted: bool
) -> bool:
    looks = Shown.UNKNOWN
    if snapshot is not None:
        looks = shown(snapshot, vm_id=vm.vm_id, vmid=vm.vmid, node=vm.node)
    verdict = judge(vm.facts, looks)
    if verdict is Verdict.WAITS or (verdict is Verdict.AGREES and not doubted):
        return False
    with apart(f"VM {vm.vm_id}"), database.transaction() as tx:
        row = lock_unchanged(tx, vm)
        return row is not None and _follow(tx, row, vm, verdict, looks, patience)
    return False


def lock_unchanged(tx: Transaction, vm: Tracked) -> Vm | None:
    """The VM's row, locked, if it still is as it was looked at and in nobody else's hands."""
    row = lock_if_free(tx, vm.vm_id)
    return row if row is not None and facts.of_vm(tx, vm.vm_id) == vm else None


def _follow(
    tx: Transaction, row: Vm, vm: Tracked, verdict: Verdict, looks: Shown, patience: Patience
) -> bool:
    """Act on the verdict. Whether the VM has to be looked at closely."""
    if verdict is Verdict.DOUBTED:
        return doubts.count(tx, vm, looks, broadcast_seconds=patience.broadcast_seconds)
    doubts.forget(tx, vm.vm_id)
    if verdict is Verdict.OUT_OF_SIGHT:
        move(tx, row, Status.OFFLINE, actor=events.INNKEEPER, cause=f"node {vm.node_id} does not answer")
    elif verdict is Verdict.BACK:
        bring_back(tx, row, vm)
    return False


def bring_back(tx: Transaction, row: Vm, vm: Tracked) -> None:
    """The VM is in sight again: it is what it was, or what its operation has made of it."""
    status = status_of(vm.facts.under_way, vm.facts.before or vm.facts.status)
    move(tx, row, status, actor=events.INNKEEPER, cause=f"node {vm.node_id} answers again")
