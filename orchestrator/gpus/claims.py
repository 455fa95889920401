"""Claiming and releasing GPUs. The database refuses a second live claim; the gate makes that a rare event."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import func, insert, select, update

from orchestrator.catalog.models import Gpu, Node
from orchestrator.errors import InsufficientCapacity
from orchestrator.gpus.choice import Card, choose
from orchestrator.gpus.models import Claim
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.waking import wake_one


def gate(tx: Transaction, node_id: str) -> None:
    """Let one transaction at a time decide about the GPUs of a node (measured: without it, contending claims
    livelock)."""
    tx.execute(select(Node.id).where(Node.id == node_id).with_for_update(key_share=True))


def free_cards(tx: Transaction, node_id: str, gpu_type: str) -> list[Card]:
    """GPUs that may be claimed now: healthy, not retired, in no live claim."""
    taken = select(Claim.gpu_id).where(Claim.released_at.is_(None))
    rows = tx.scalars(
        select(Gpu).where(
            Gpu.node_id == node_id,
            Gpu.gpu_type == gpu_type,
            Gpu.health == "ok",
            Gpu.retired_at.is_(None),
            Gpu.id.not_in(taken),
        )
    )
    return [Card(gpu.id, gpu.mapping, gpu.numa_node, gpu.pcie_root) for gpu in rows]


def free_counts(tx: Transaction) -> Counter[tuple[str, str]]:
    """Free GPUs by (node, GPU type)."""
    taken = select(Claim.gpu_id).where(Claim.released_at.is_(None))
    rows = tx.execute(
        select(Gpu.node_id, Gpu.gpu_type, func.count())
        .where(Gpu.health == "ok", Gpu.retired_at.is_(None), Gpu.id.not_in(taken))
        .group_by(Gpu.node_id, Gpu.gpu_type)
    )
    return Counter({(node, gpu_type): count for node, gpu_type, count in rows})


def claim(tx: Transaction, vm: Vm) -> None:
    """Claim `vm.gpu_count` GPUs for `vm`, less those that it holds already.

    Raises InsufficientCapacity with what is free.
    """
    gate(tx, vm.node_id)
    missing = vm.gpu_count - len(held_mappings(tx, vm))
    free = free_cards(tx, vm.node_id, vm.gpu_type)
    if len(free) < missing:
        raise InsufficientCapacity(
            f"Node {vm.node_id} has {len(free)} free {vm.gpu_type} GPUs, {missing} are needed.",
            facts={"node": vm.node_id, "gpu_type": vm.gpu_type, "free": len(free), "needed": missing},
        )
    take(tx, vm, missing, free)


def take(tx: Transaction, vm: Vm, count: int, free: Sequence[Card]) -> None:
    """Claim `count` of the `free` cards for `vm`; the caller has passed the gate."""
    held = held_mappings(tx, vm)
    slots = [slot for slot in range(vm.gpu_count) if slot not in held]
    chosen = choose(free, count)
    if chosen:
        tx.execute(
            insert(Claim),
            [
                {
                    "gpu_id": card.id,
                    "vm_id": vm.id,
                    "node_id": vm.node_id,
                    "gpu_type": vm.gpu_type,
                    "slot": slot,
                }
                for slot, card in zip(slots, chosen, strict=False)
            ],
        )


def held_mappings(tx: Transaction, vm: Vm) -> dict[int, str]:
    """PVE mapping of each GPU that `vm` holds, by slot."""
    rows = tx.execute(
        select(Claim.slot, Gpu.mapping)
        .join(Gpu, Gpu.id == Claim.gpu_id)
        .where(Claim.vm_id == vm.id, Claim.released_at.is_(None))
        .order_by(Claim.slot)
    )
    return {row.slot: row.mapping for row in rows}


def release(tx: Transaction, vm: Vm, *, because: str) -> None:
    """End the claims of `vm` and hand its GPUs on to who waits for them, in this very transaction.

    Only for callers who saw the hypervisor confirm that the VM is stopped or gone.
    """
    gate(tx, vm.node_id)
    tx.execute(
        update(Claim)
        .where(Claim.vm_id == vm.id, Claim.released_at.is_(None))
        .values(released_at=func.now(), released_because=because)
    )
    hand_on(tx, vm.node_id, vm.gpu_type)


def line(tx: Transaction, node_id: str, gpu_type: str) -> list[tuple[Operation, Vm]]:
    """Who waits for GPUs of that type on the node: first those who pay for not being displaced, in the order
    in which they asked."""
    paying = Vm.rental_type != "interruptible"
    rows = tx.execute(
        select(Operation, Vm)
        .join(Vm, Vm.id == Operation.vm_id)
        .where(
            Operation.node_id == node_id,
            Operation.state == "parked",
            Operation.parked_for == "capacity",
            Vm.gpu_type == gpu_type,
        )
        .order_by(paying.desc(), Operation.created_at, Operation.id)
    )
    return [(operation, vm) for operation, vm in rows]


def hand_on(tx: Transaction, node_id: str, gpu_type: str) -> None:
    """Claim what is free for those who wait, the first in line first, and wake who has all; the caller has
    passed the gate.

    Who pays keeps what there is until the rest comes, so that nobody overtakes; an interruptible VM takes all
    it needs or nothing.
    """
    for operation, vm in line(tx, node_id, gpu_type):
        free = free_cards(tx, node_id, gpu_type)
        missing = vm.gpu_count - len(held_mappings(tx, vm))
        if vm.rental_type != "interruptible" or len(free) >= missing:
            take(tx, vm, min(missing, len(free)), free)
        if len(free) >= missing:
            wake_one(tx, operation.id)


def quarantine(tx: Transaction, node_id: str, mapping: str, *, reason: str) -> None:
    """Offer a misbehaving card no more. Its present claim stays until its VM is stopped."""
    tx.execute(
        update(Gpu)
        .where(Gpu.node_id == node_id, Gpu.mapping == mapping, Gpu.health == "ok")
        .values(health="quarantined", quarantine_reason=reason, quarantined_at=func.now())
    )
