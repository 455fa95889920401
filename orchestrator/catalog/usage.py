"""Which VMs use which part of the catalog."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import InstrumentedAttribute

from orchestrator.catalog.models import Address, Gpu
from orchestrator.gpus.models import Claim
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.operations import LIVE
from orchestrator.vms.pipelines import Kind
from orchestrator.vms.statuses import ENDED, Status

Key = tuple[Any, ...]
NAMED = 5
"""VMs named in one text."""


class User(NamedTuple):
    """A VM that uses a part of the catalog."""

    id: UUID
    vmid: int
    status: str


Users = Callable[[Transaction], dict[Key, list[User]]]


def names(users: list[User]) -> str:
    """The VMs for an operator to find."""
    shown = [f"VM {user.id} (VMID {user.vmid}, {user.status})" for user in users[:NAMED]]
    if len(users) > NAMED:
        shown.append(f"{len(users) - NAMED} more")
    return ", ".join(shown)


def vms_by(*columns: InstrumentedAttribute[Any], where: ColumnElement[bool]) -> Users:
    """VMs by their own columns."""
    return _grouped(select(*columns, Vm.id, Vm.vmid, Vm.status).where(where))


def _grouped(query: Select[*tuple[Any, ...]]) -> Users:
    def read(tx: Transaction) -> dict[Key, list[User]]:
        users: dict[Key, list[User]] = defaultdict(list)
        for *key, vm_id, vmid, status in tx.execute(query.order_by(Vm.created_at, Vm.id)):
            users[tuple(key)].append(User(vm_id, vmid, status))
        return users

    return read


LIVES = Vm.status.not_in([status.value for status in ENDED])
EXISTS = Vm.status != Status.DESTROYED.value
"""A VM that failed may still be destroyed: an operation that reads where it was made."""
IS_BEING_MADE = (Vm.status == Status.CREATING.value) | exists().where(
    Operation.vm_id == Vm.id, Operation.state.in_(LIVE), Operation.kind == Kind.CREATE.value
)
WAS_EVER: ColumnElement[bool] = Vm.id.is_not(None)

_CLAIMS = (
    select(Gpu.node_id, Gpu.mapping, Vm.id, Vm.vmid, Vm.status)
    .join(Claim, Claim.gpu_id == Gpu.id)
    .join(Vm, Vm.id == Claim.vm_id)
)
holders_of_gpus = _grouped(_CLAIMS.where(Claim.released_at.is_(None)))
past_holders_of_gpus = _grouped(_CLAIMS)
holders_of_addresses = _grouped(
    select(Address.node_id, Address.address, Vm.id, Vm.vmid, Vm.status).join(Vm, Vm.id == Address.vm_id)
)
