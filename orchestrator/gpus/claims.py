"""Claiming and releasing GPUs. The database refuses a second live claim; the gate makes that a rare event."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, and_, func, insert, select, update

from orchestrator.catalog.models import Gpu, Node
from orchestrator.errors import InsufficientCapacity, StateConflict
from orchestrator.gpus.choice import Card, choose
from orchestrator.gpus.models import Claim
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.operations import LIVE
from orchestrator.vms.pipelines import Step
from orchestrator.vms.waking import wake_one

WAITS = and_(
    Operation.state.in_(LIVE),
    Operation.step == Step.RESERVE.value,
    Operation.cancel_requested_by.is_(None),
)
"""Parked, or just looked at again: whoever is still to reserve is in line."""
PAYS = Vm.rental_type != "interruptible"
HELD = (
    select(func.count())
    .where(Claim.vm_id == Vm.id, Claim.released_at.is_(None))
    .correlate(Vm)
    .scalar_subquery()
)
OFFERED = and_(Gpu.health == "ok", Gpu.retired_at.is_(None))
"""GPUs that are claimed again once they are free: healthy and not retired."""
FREE = and_(OFFERED, Gpu.id.not_in(select(Claim.gpu_id).where(Claim.released_at.is_(None))))
MISSING = Vm.gpu_count - HELD
"""GPUs that a VM should have and does not hold yet."""


@dataclass(frozen=True)
class CapacityWanted:
    """Rung for when somebody waits for GPUs of a node: the scheduler makes room at once."""

    node_id: str


@dataclass(frozen=True)
class CapacityFreed:
    """Rung for when GPUs of a node are free and nobody waits for them: who was interrupted may come back."""

    node_id: str


def gate(tx: Transaction, node_id: str) -> None:
    """Let one transaction at a time decide about the GPUs of a node (measured: without it, contending claims
    livelock)."""
    tx.execute(select(Node.id).where(Node.id == node_id).with_for_update(key_share=True))


def require_open(tx: Transaction, node_id: str) -> None:
    """Raise StateConflict unless the node takes VMs now. Behind the gate no drain comes between."""
    because = tx.get_one(Node, node_id, populate_existing=True).closed_because
    if because is not None:
        raise StateConflict(
            f"Node {node_id} {because} and takes no VMs now; repeat this when it is back.",
            facts={"node": node_id},
        )


def free_cards(tx: Transaction, node_id: str, gpu_type: str) -> list[Card]:
    """GPUs that may be claimed now: healthy, not retired, in no live claim."""
    rows = tx.scalars(select(Gpu).where(Gpu.node_id == node_id, Gpu.gpu_type == gpu_type, FREE))
    return [Card(gpu.id, gpu.mapping, gpu.numa_node, gpu.pcie_root) for gpu in rows]


def free_counts(tx: Transaction, nodes: Collection[str] | None = None) -> Counter[tuple[str, str]]:
    """Free GPUs by (node, GPU type), of some nodes or all."""
    query = select(Gpu.node_id, Gpu.gpu_type, func.count()).where(FREE)
    if nodes is not None:
        query = query.where(Gpu.node_id.in_(nodes))
    rows = tx.execute(query.group_by(Gpu.node_id, Gpu.gpu_type))
    return Counter({(node, gpu_type): count for node, gpu_type, count in rows})


def claim(tx: Transaction, vm: Vm) -> None:
    """Claim `vm.gpu_count` GPUs for `vm`, less those that it holds already and those that others wait for.

    Raises InsufficientCapacity with what is free.
    """
    gate(tx, vm.node_id)
    hand_on(tx, vm.node_id, vm.gpu_type)
    take(tx, vm, pick(tx, vm, free_cards(tx, vm.node_id, vm.gpu_type)))


def pick(tx: Transaction, vm: Vm, free: Sequence[Card]) -> tuple[Card, ...]:
    """Those of the free GPUs that `vm` needs; nothing is claimed.

    Raises InsufficientCapacity with what is free.
    """
    missing = lacking(tx, vm)
    chosen = choose(free, missing)
    if chosen is None:
        raise InsufficientCapacity(
            f"Node {vm.node_id} has {len(free)} free {vm.gpu_type} GPUs, {missing} are needed.",
            facts={"node": vm.node_id, "gpu_type": vm.gpu_type, "free": len(free), "needed": missing},
        )
    return chosen


def take(tx: Transaction, vm: Vm, chosen: Sequence[Card]) -> None:
    """Claim free GPUs for `vm`; the caller has passed the gate."""
    held = held_mappings(tx, vm)
    slots = [slot for slot in range(vm.gpu_count) if slot not in held]
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


def lacking(tx: Transaction, vm: Vm) -> int:
    """How many GPUs `vm` should have and does not hold yet."""
    return vm.gpu_count - len(held_mappings(tx, vm))


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
    hand_on(tx, vm.node_id, vm.gpu_type, giver=vm)
    _wake_complete(tx, vm.node_id)
    if free_cards(tx, vm.node_id, vm.gpu_type):
        tx.ring(CapacityFreed(vm.node_id))


def give_up_unfit(tx: Transaction, vm: Vm) -> None:
    """End the claims of `vm`, which is off, on GPUs that are offered no more: it starts with others.

    The caller has passed the gate.
    """
    unfit = select(Gpu.id).where(~OFFERED)
    tx.execute(
        update(Claim)
        .where(Claim.vm_id == vm.id, Claim.released_at.is_(None), Claim.gpu_id.in_(unfit))
        .values(released_at=func.now(), released_because="the GPU is offered no more")
    )


def waited_for() -> Select[str, str]:
    """Node and GPU type of everybody who pays and waits."""
    return (
        select(Vm.node_id, Vm.gpu_type)
        .join(Operation, Operation.vm_id == Vm.id)
        .where(WAITS, PAYS, MISSING > 0)
    )


def line(tx: Transaction, node_id: str, gpu_type: str) -> list[tuple[Operation, Vm]]:
    """Who waits for GPUs of that type on the node: first those who pay for not being displaced, in the order
    in which they asked."""
    rows = tx.execute(
        select(Operation, Vm)
        .join(Vm, Vm.id == Operation.vm_id)
        .where(WAITS, MISSING > 0, Vm.node_id == node_id, Vm.gpu_type == gpu_type)
        .order_by(PAYS.desc(), Operation.created_at, Operation.id)
    )
    return [(operation, vm) for operation, vm in rows]


def hand_on(tx: Transaction, node_id: str, gpu_type: str, *, giver: Vm | None = None) -> None:
    """Claim what is free for those who wait, the first in line first, and wake who has all; the caller has
    passed the gate.

    Who pays keeps what there is until the rest comes, so that nobody overtakes; an interruptible VM takes all
    it needs or nothing.
    """
    for share in _shares(tx, node_id, gpu_type, giver=giver):
        take(tx, share.vm, share.given)
        if share.is_all:
            wake_one(tx, share.operation.id)


def unpromised(tx: Transaction, node_id: str, gpu_type: str) -> list[Card]:
    """Free GPUs that nobody in line is given: what `hand_on` leaves. Nothing is changed."""
    given = {card for share in _shares(tx, node_id, gpu_type) for card in share.given}
    return [card for card in free_cards(tx, node_id, gpu_type) if card not in given]


@dataclass(frozen=True)
class _Share:
    """What a VM in line is given of the free GPUs, and whether that is all it misses."""

    operation: Operation
    vm: Vm
    given: tuple[Card, ...]
    is_all: bool


def _shares(tx: Transaction, node_id: str, gpu_type: str, *, giver: Vm | None = None) -> Iterator[_Share]:
    """One after the other in line, as long as there is something to give; `giver` gets nothing back."""
    free = free_cards(tx, node_id, gpu_type)
    for operation, vm in line(tx, node_id, gpu_type) if free else ():
        if vm is not giver and free:
            missing = lacking(tx, vm)
            count = len(free) if vm.rental_type != "interruptible" else missing
            given = choose(free, min(missing, count)) or ()
            free = [card for card in free if card not in given]
            yield _Share(operation, vm, given, is_all=len(given) == missing)


def _wake_complete(tx: Transaction, node_id: str) -> None:
    """Who has all GPUs and waits all the same lacks an address; one may come free with this VM."""
    complete = (
        select(Operation.id)
        .join(Vm, Vm.id == Operation.vm_id)
        .where(
            Operation.state == "parked",
            Operation.parked_for == "capacity",
            Operation.node_id == node_id,
            MISSING <= 0,
        )
    )
    for operation_id in tx.scalars(complete).all():
        wake_one(tx, operation_id)
