"""Reading the VMs of one account. Another account's VM is as one that is not there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from orchestrator.catalog.models import Node
from orchestrator.errors import NotFound
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Event, Operation, Vm
from orchestrator.vms.operations import LIVE
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
    query = select(Vm, Node).join(Node, Node.id == Vm.node_id).where(Vm.user_id == user_id)
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
        select(Vm, Node).join(Node, Node.id == Vm.node_id).where(Vm.id == vm_id, Vm.user_id == user_id)
    ).one_or_none()
    if found is None:
        raise NotFound(f"There is no VM {vm_id}.")
    vm, node = found
    return vm, node


def time_line(tx: Transaction, vm: Vm, part: Page) -> Sequence[Event]:
    """What happened to a VM, the oldest first."""
    mine = select(Event).where(Event.vm_id == vm.id).order_by(Event.id)
    return tx.scalars(mine.limit(part.limit).offset(part.offset)).all()


@dataclass(frozen=True)
class UnderWay:
    """The operation that a VM is in: `since` its present step is tried or waited with."""

    operation: Operation
    since: datetime
    leased: bool
    due: bool


def under_way(tx: Transaction, vm: Vm) -> UnderWay | None:
    """What is being done with a VM, if anything."""
    last_event = select(func.max(Event.at)).where(Event.operation_id == Operation.id).scalar_subquery()
    now = func.clock_timestamp()
    found = tx.execute(
        select(
            Operation,
            func.coalesce(Operation.step_started_at, last_event, Operation.created_at),
            func.coalesce(Operation.lease_expires_at > now, False),
            Operation.not_before <= now,
        ).where(Operation.vm_id == vm.id, Operation.state.in_(LIVE))
    ).one_or_none()
    return None if found is None else UnderWay(*found)
