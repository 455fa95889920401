"""Issuing VMIDs from the cluster's own range. A number is issued once, ever."""

from uuid import UUID

from sqlalchemy import func, insert, select, update

from orchestrator.catalog.models import Cluster
from orchestrator.errors import InsufficientCapacity
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm, Vmid


def issue(tx: Transaction, cluster_id: str, vm_id: UUID) -> int:
    """The next VMID of the cluster, noted as issued to `vm_id`.

    Raises InsufficientCapacity when the range is used up: the operator widens it in the catalog.
    """
    vmid: int | None = tx.scalar(
        update(Cluster)
        .where(Cluster.id == cluster_id, Cluster.vmid_next <= Cluster.vmid_last)
        .values(vmid_next=Cluster.vmid_next + 1)
        .returning(Cluster.vmid_next - 1)
    )
    if vmid is None:
        raise _used_up(cluster_id)
    tx.execute(insert(Vmid).values(cluster_id=cluster_id, vmid=vmid, vm_id=vm_id))
    return vmid


def require_one(tx: Transaction, cluster_id: str) -> None:
    """Raise InsufficientCapacity when `issue` would. Nothing is changed."""
    left = select(Cluster.id).where(Cluster.id == cluster_id, Cluster.vmid_next <= Cluster.vmid_last)
    if tx.scalar(left) is None:
        raise _used_up(cluster_id)


def _used_up(cluster_id: str) -> InsufficientCapacity:
    return InsufficientCapacity(f"Cluster {cluster_id} has no VMID left in its range.")


def ask_for_clone(tx: Transaction, vm: Vm) -> None:
    """Note, before the request is sent, that what is found under the VM's number from now on may be ours."""
    tx.execute(
        update(Vmid)
        .where(Vmid.cluster_id == vm.cluster_id, Vmid.vmid == vm.vmid, Vmid.clone_asked_at.is_(None))
        .values(clone_asked_at=func.now())
    )


def clone_was_refused(tx: Transaction, vm: Vm) -> None:
    """Take the note back: the one request for a clone was refused for certain, so nothing there is ours."""
    tx.execute(
        update(Vmid).where(Vmid.cluster_id == vm.cluster_id, Vmid.vmid == vm.vmid).values(clone_asked_at=None)
    )


def clone_was_asked(tx: Transaction, vm: Vm) -> bool:
    """Whether a clone was ever asked for under the VM's present number."""
    asked = select(Vmid.clone_asked_at).where(Vmid.cluster_id == vm.cluster_id, Vmid.vmid == vm.vmid)
    return tx.scalar(asked) is not None


def replace(tx: Transaction, vm: Vm, *, because: str) -> None:
    """Give `vm` another VMID: its number is taken or blocked on PVE. `because` is for operators."""
    tx.execute(
        update(Vmid)
        .where(Vmid.cluster_id == vm.cluster_id, Vmid.vmid == vm.vmid)
        .values(given_up_at=func.now(), given_up_because=because)
    )
    vm.vmid = issue(tx, vm.cluster_id, vm.id)
    tx.flush()
