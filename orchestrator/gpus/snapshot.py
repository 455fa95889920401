"""Reading who holds, waits for and gives up GPUs, as the snapshots that decisions are made on."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    Case,
    ColumnElement,
    Double,
    Row,
    ScalarSelect,
    Select,
    and_,
    case,
    cast,
    func,
    or_,
    select,
)

from orchestrator.catalog.models import Gpu, Node
from orchestrator.gpus.claims import MISSING, OFFERED, PAYS, WAITS, free_counts, waited_for
from orchestrator.gpus.models import Claim
from orchestrator.policy.plan import Leaving, Pool, Waiter
from orchestrator.policy.victims import Candidate
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Interruption, Operation, Vm
from orchestrator.vms.operations import CLOCK, LIVE, unleased
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import Status

RECENT = timedelta(hours=24)
"""Interruptions that count as recent: for victims and for cool-downs."""
GOING = (Kind.STOP, Kind.INTERRUPT, Kind.DESTROY, Kind.ROLL_BACK)
"""Operations whose VM gives its GPUs up."""
DISPLACEABLE, LEAVING, LATER = "displaceable", "leaving", "later"


class PoolKey(NamedTuple):
    """Which GPUs."""

    node_id: str
    gpu_type: str


def wanted(tx: Transaction, node_id: str | None = None) -> set[PoolKey]:
    """Where somebody who pays waits, or a notice runs that may not be needed any more: on one node, or on all
    that answer."""
    noticed = (
        select(Vm.node_id, Vm.gpu_type)
        .join(Interruption, Interruption.vm_id == Vm.id)
        .where(Interruption.state == "announced", Interruption.cause == "reclaim")
    )
    answers = Node.offline_since.is_(None) if node_id is None else Node.id == node_id
    found = waited_for().union(noticed).subquery()
    rows = tx.execute(select(found).join(Node, Node.id == found.c.node_id).where(answers))
    return {PoolKey(node, gpu_type) for node, gpu_type in rows}


def pools(tx: Transaction, keys: Iterable[PoolKey]) -> dict[PoolKey, Pool]:
    """The snapshots of these pools, in a number of reads that does not grow with them."""
    asked = set(keys)
    if not asked:
        return {}
    nodes = {key.node_id for key in asked}
    free = free_counts(tx, nodes)
    parts: dict[tuple[PoolKey, str], list[Candidate]] = defaultdict(list)
    leaving: dict[PoolKey, list[Leaving]] = defaultdict(list)
    waiters: dict[PoolKey, list[Waiter]] = defaultdict(list)
    for node_id, gpu_type, part, vm_id, gpus, lost, recent, may_stay, left, goes_for in _holders(tx, nodes):
        key, candidate = PoolKey(node_id, gpu_type), Candidate(vm_id, gpus, lost, recent)
        if part == LEAVING:
            leaving[key].append(Leaving(candidate, may_stay, left, goes_for))
        else:
            parts[key, part].append(candidate)
    for node_id, gpu_type, vm_id, missing, waited in tx.execute(_line(nodes)):
        waiters[PoolKey(node_id, gpu_type)].append(Waiter(vm_id, missing, waited))
    return {
        key: Pool(
            free=free[key],
            waiters=tuple(waiters[key]),
            displaceable=tuple(parts[key, DISPLACEABLE]),
            leaving=tuple(leaving[key]),
            later=sum(one.gpus for one in parts[key, LATER]),
        )
        for key in asked
    }


def _part() -> Case[str | None]:
    """What a VM with GPUs is in its pool, as SQL; null: nothing that counts.

    A reserved VM that is stopped keeps its GPUs. When one that waits for an operator leaves, if ever, nobody
    knows.
    """
    going = func.coalesce(Operation.overtaken_by, Operation.kind)
    gives_up = and_(
        going.in_([kind.value for kind in GOING]),
        or_(going != Kind.STOP.value, Vm.rental_type != "reserved"),
    )
    return case(
        (and_(gives_up, Operation.parked_for == "operator"), None),
        (gives_up, LEAVING),
        (PAYS, None),
        (and_(Vm.status == Status.RUNNING.value, Operation.id.is_(None)), DISPLACEABLE),
        else_=LATER,
    )


def _holders(tx: Transaction, nodes: set[str]) -> Iterable[Row[*tuple[Any, ...]]]:
    """VMs with claims on GPUs that will be offered again, and what goes on with them."""
    held = (
        select(Claim.vm_id, func.count().label("gpus"))
        .join(Gpu, Gpu.id == Claim.gpu_id)
        .where(
            Claim.released_at.is_(None),
            Claim.node_id.in_(nodes),
            OFFERED,
        )
        .group_by(Claim.vm_id)
        .subquery()
    )
    may_stay = and_(
        Operation.kind == Kind.INTERRUPT.value,
        Operation.step == Step.ANNOUNCE.value,
        Operation.cancel_requested_by.is_(None),
        Interruption.cause == "reclaim",
        Interruption.notice_until > CLOCK,
        unleased(),
    )
    return tx.execute(
        select(
            Vm.node_id,
            Vm.gpu_type,
            _part(),
            Vm.id,
            held.c.gpus,
            _seconds(CLOCK - Vm.started_at),
            func.coalesce(recent_interruptions(), 0),
            func.coalesce(may_stay, False),
            _seconds(Interruption.notice_until - CLOCK),
            Interruption.displaced_by,
        )
        .join(held, held.c.vm_id == Vm.id)
        .outerjoin(Operation, and_(Operation.vm_id == Vm.id, Operation.state.in_(LIVE)))
        .outerjoin(Interruption, and_(Interruption.vm_id == Vm.id, Interruption.state == "announced"))
        .where(_part().is_not(None))
    )


def _seconds(interval: ColumnElement[Any]) -> ColumnElement[float]:
    """Never negative, nor null. As a float: decimals are slow to read by the thousand."""
    return func.greatest(cast(func.extract("epoch", interval), Double), 0.0)


def recent_interruptions() -> ScalarSelect[int | None]:
    """Of a VM's row: its interruptions of the last 24 h, restores that were given up included. Null: none."""
    return (
        select(func.count() + func.sum(Interruption.tries))
        .where(
            Interruption.vm_id == Vm.id,
            Interruption.announced_at > func.now() - RECENT,
            Interruption.interrupted_at.is_not(None),
        )
        .correlate(Vm)
        .scalar_subquery()
    )


def _line(nodes: set[str]) -> Select[str, str, UUID, int, float]:
    """Who pays and waits, the first in line first, what it misses and how long it has waited."""
    return (
        select(Vm.node_id, Vm.gpu_type, Vm.id, MISSING, _seconds(CLOCK - Operation.created_at))
        .join(Operation, Operation.vm_id == Vm.id)
        .where(WAITS, PAYS, MISSING > 0, Vm.node_id.in_(nodes))
        .order_by(Operation.created_at, Operation.id)
    )
