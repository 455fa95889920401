"""Draining a node: it takes no new VMs, restores and starts; if asked, its interruptible VMs move out."""

from collections import Counter

from sqlalchemy import func, select, tuple_

from orchestrator.catalog.models import Node
from orchestrator.errors import NotFound
from orchestrator.gpus.claims import waited_for
from orchestrator.store.database import Database, Transaction
from orchestrator.vms import notices
from orchestrator.vms.locks import lock_if_free
from orchestrator.vms.models import Interruption, Vm
from orchestrator.vms.statuses import ENDED, Status


def drain(tx: Transaction, node_id: str, *, interrupts: bool = False) -> None:
    """Take a node out of service; again changes nothing but, from now on, to interrupt. Raises NotFound.

    Who is about to be admitted there has the node's row, or sees this.
    """
    node = _locked(tx, node_id)
    node.state = "draining"
    node.interrupts = node.interrupts or interrupts


def undrain(tx: Transaction, node_id: str) -> None:
    """Take it into service again; `call_off_notices` withdraws those that were given. Raises NotFound."""
    node = _locked(tx, node_id)
    node.state, node.interrupts = "active", False


def give_notices(database: Database, *, notice_seconds: float) -> int:
    """Give notice to the interruptible VMs that run undisturbed on nodes that are to be emptied; how many.

    Done again and again: who is being created, or in other hands, has its turn later.
    """
    with database.transaction() as tx:
        running = (
            select(Vm.id)
            .join(Node, Node.id == Vm.node_id)
            .where(Node.interrupts, Vm.rental_type == "interruptible", Vm.status == Status.RUNNING.value)
            .order_by(Vm.created_at)
        )
        found = tx.scalars(running).all()
    given = 0
    for vm_id in found:
        with database.transaction() as tx:
            vm = lock_if_free(tx, vm_id)
            if vm is not None and tx.get_one(Node, vm.node_id).interrupts:
                given += notices.give(tx, vm, cause="drain", seconds=notice_seconds) is not None
    return given


def call_off_notices(database: Database) -> int:
    """Withdraw the notices of drains that have ended; how many.

    Where somebody who pays waits they run on: the GPUs are counted on.
    """
    with database.transaction() as tx:
        noticed = (
            select(Vm.id)
            .join(Node, Node.id == Vm.node_id)
            .join(Interruption, Interruption.vm_id == Vm.id)
            .where(
                Interruption.state == "announced",
                Interruption.cause == "drain",
                ~Node.interrupts,
                tuple_(Vm.node_id, Vm.gpu_type).not_in(waited_for()),
            )
        )
        found = tx.scalars(noticed).all()
    called_off = 0
    for vm_id in found:
        with database.transaction() as tx:
            vm = lock_if_free(tx, vm_id)
            if vm is not None and not tx.get_one(Node, vm.node_id).interrupts:
                called_off += notices.call_off(tx, vm)
    return called_off


def left(tx: Transaction, node_id: str) -> Counter[str]:
    """VMs that still use the node's GPUs, or will, by rental type. Raises NotFound."""
    _known(tx, node_id)
    off = [Status.STOPPED.value, Status.INTERRUPTED.value, *(status.value for status in ENDED)]
    status = func.coalesce(Vm.status_before_offline, Vm.status)
    rows = tx.execute(
        select(Vm.rental_type, func.count())
        .where(Vm.node_id == node_id, status.not_in(off))
        .group_by(Vm.rental_type)
    )
    return Counter(dict(rows.all()))


def _locked(tx: Transaction, node_id: str) -> Node:
    node = tx.scalar(select(Node).where(Node.id == node_id).with_for_update(key_share=True))
    return node or _unknown(node_id)


def _known(tx: Transaction, node_id: str) -> Node:
    return tx.get(Node, node_id) or _unknown(node_id)


def _unknown(node_id: str) -> Node:
    raise NotFound(f"There is no node {node_id}; `innkeeper node list` shows them.")
