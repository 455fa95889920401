"""Reading the VMs of one account. Another account's VM is as one that is not there."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from orchestrator.catalog.models import Node
from orchestrator.errors import NotFound
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Event, Interruption, Vm
from orchestrator.vms.statuses import Status


@dataclass(frozen=True)
class Page:
    """Which part of a long list."""

    limit: int
    offset: int


def page(
    tx: Transaction,
    user_id: int,
    part: Page,
    *,
    status: str | None = None,
    node: str | None = None,
    rental_type: str | None = None,
) -> list[tuple[Vm, Node]]:
    """The account's VMs, the newest first; destroyed ones only when `status` asks for them."""
    query = select(Vm, Node).join(Node, Node.id == Vm.node_id).options(joinedload(Vm.announced))
    query = query.where(Vm.user_id == user_id)
    query = query.where(Vm.status != Status.DESTROYED.value if status is None else Vm.status == status)
    if node is not None:
        query = query.where(Vm.node_id == node)
    if rental_type is not None:
        query = query.where(Vm.rental_type == rental_type)
    ordered = query.order_by(Vm.created_at.desc(), Vm.id).limit(part.limit).offset(part.offset)
    return [(vm, its_node) for vm, its_node in tx.execute(ordered)]


def one(tx: Transaction, user_id: int, vm_id: UUID) -> tuple[Vm, Node]:
    """One VM of the account and its node. Raises NotFound."""
    found = tx.execute(
        select(Vm, Node)
        .join(Node, Node.id == Vm.node_id)
        .options(joinedload(Vm.announced))
        .where(Vm.id == vm_id, Vm.user_id == user_id)
    ).one_or_none()
    if found is None:
        raise NotFound(f"There is no VM {vm_id}.")
    vm, node = found
    return vm, node


def time_line(tx: Transaction, vm: Vm, part: Page) -> Sequence[Event]:
    """What happened to a VM, the oldest first."""
    mine = select(Event).where(Event.vm_id == vm.id).order_by(Event.id)
    return tx.scalars(mine.limit(part.limit).offset(part.offset)).all()


def interruptions(tx: Transaction, vm: Vm) -> Sequence[Interruption]:
    """How often a VM was really interrupted, the newest first."""
    return tx.scalars(
        select(Interruption)
        .where(Interruption.vm_id == vm.id, Interruption.interrupted_at.is_not(None))
        .order_by(Interruption.interrupted_at.desc())
    ).all()
