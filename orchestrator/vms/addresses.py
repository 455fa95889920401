"""Static addresses: one free address of the node's pool for a VM, until it ends."""

from sqlalchemy import select, update

from orchestrator.catalog.models import Address, Node
from orchestrator.errors import InsufficientCapacity
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm


def assign(tx: Transaction, vm: Vm) -> None:
    """Give `vm` an address when its node has a static pool; the caller holds the node's gate.

    Raises InsufficientCapacity when none is free. Does nothing on a node with DHCP, or when it has one.
    """
    address = choose(tx, vm)
    if address is not None:
        tx.execute(
            update(Address)
            .where(Address.node_id == vm.node_id, Address.address == address)
            .values(vm_id=vm.id)
        )


def choose(tx: Transaction, vm: Vm) -> str | None:
    """The address that `vm` would be given, if it needs one. Nothing is changed.

    Raises InsufficientCapacity when none is free.
    """
    node = tx.scalars(select(Node).where(Node.id == vm.node_id)).one()
    if node.address_mode == "dhcp" or held(tx, vm) is not None:
        return None
    address = tx.scalar(
        select(Address.address)
        .where(Address.node_id == node.id, Address.vm_id.is_(None), Address.retired_at.is_(None))
        .order_by(Address.address)
        .limit(1)
    )
    if address is None:
        raise InsufficientCapacity(f"Node {node.id} has no free address.", facts={"node": node.id})
    return address


def held(tx: Transaction, vm: Vm) -> str | None:
    """The static address that `vm` holds."""
    return tx.scalar(select(Address.address).where(Address.vm_id == vm.id))


def free(tx: Transaction, vm: Vm) -> None:
    """Give the address back; the VM is gone from the hypervisor."""
    tx.execute(update(Address).where(Address.vm_id == vm.id).values(vm_id=None))
