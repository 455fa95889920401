"""Claiming and releasing GPUs. The database refuses a second live claim; the gate makes that a rare event."""

from collections import Counter

from sqlalchemy import func, insert, select, update

from orchestrator.catalog.models import Gpu, Node
from orchestrator.errors import InsufficientCapacity
from orchestrator.gpus.choice import Card, choose
from orchestrator.gpus.models import Claim
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm
from orchestrator.vms.operations import wake_parked


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
    """Claim `vm.gpu_count` GPUs for `vm`, unless it holds them already.

    Raises InsufficientCapacity with what is free.
    """
    gate(tx, vm.node_id)
    if held_mappings(tx, vm):
        return
    free = free_cards(tx, vm.node_id, vm.gpu_type)
    chosen = choose(free, vm.gpu_count)
    if chosen is None:
        raise InsufficientCapacity(
            f"Node {vm.node_id} has {len(free)} free {vm.gpu_type} GPUs, {vm.gpu_count} are needed.",
            facts={"node": vm.node_id, "gpu_type": vm.gpu_type, "free": len(free), "needed": vm.gpu_count},
        )
    tx.execute(
        insert(Claim),
        [
            {"gpu_id": card.id, "vm_id": vm.id, "node_id": vm.node_id, "gpu_type": vm.gpu_type, "slot": slot}
            for slot, card in enumerate(chosen)
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
    """End the claims of `vm`. Only for callers who saw the hypervisor confirm that it is stopped or gone."""
    gate(tx, vm.node_id)
    tx.execute(
        update(Claim)
        .where(Claim.vm_id == vm.id, Claim.released_at.is_(None))
        .values(released_at=func.now(), released_because=because)
    )
    wake_parked(tx, node_id=vm.node_id, wanted="capacity")


def quarantine(tx: Transaction, node_id: str, mapping: str, *, reason: str) -> None:
    """Offer a misbehaving card no more. Its present claim stays until its VM is stopped."""
    tx.execute(
        update(Gpu)
        .where(Gpu.node_id == node_id, Gpu.mapping == mapping, Gpu.health == "ok")
        .values(health="quarantined", quarantine_reason=reason, quarantined_at=func.now())
    )
