"""Reading the fleet of one GPU type, and who waits to come back to it."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Select, and_, func, select

from orchestrator.catalog.models import Gpu, Node
from orchestrator.gpus.claims import OFFERED, PAYS, free_counts, waited_for
from orchestrator.gpus.models import Claim
from orchestrator.gpus.snapshot import recent_interruptions
from orchestrator.policy.restore import Fleet, Interrupted
from orchestrator.policy.rules import DEMAND_SECONDS
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Interruption, Operation, Vm
from orchestrator.vms.operations import CLOCK, LIVE
from orchestrator.vms.statuses import Status


@dataclass(frozen=True)
class Waiting:
    """Interrupted VMs of one GPU type that want to come back, and what they may come back to."""

    fleet: Fleet
    vms: tuple[Interrupted, ...]


def fleet(tx: Transaction, gpu_type: str) -> Fleet:
    """The GPUs of one type."""
    return _fleets(tx).get(gpu_type, Fleet(0, {}))


def waiting(tx: Transaction) -> dict[str, Waiting]:
    """By GPU type, who waits to come back by itself. Types for which nobody does are left out."""
    vms: dict[str, list[Interrupted]] = {}
    for vm_id, gpu_type, node, gpus, at, count in tx.execute(_interrupted()):
        vms.setdefault(gpu_type, []).append(
            Interrupted(vm_id, node, gpus, float(at), max(1, int(count or 0)))
        )
    if not vms:
        return {}
    fleets = _fleets(tx)
    return {kind: Waiting(fleets.get(kind, Fleet(0, {})), tuple(some)) for kind, some in vms.items()}


def now(tx: Transaction) -> float:
    """The database's clock, in seconds since 1970."""
    return float(tx.scalars(select(func.extract("epoch", CLOCK))).one())


def _fleets(tx: Transaction) -> dict[str, Fleet]:
    """Free GPUs where somebody who pays waits are his, and nodes that take no VMs have none to offer."""
    healthy = select(Gpu.gpu_type, func.count()).where(OFFERED).group_by(Gpu.gpu_type)
    claimed = {(node, kind) for node, kind in tx.execute(waited_for())}
    takes_vms = set(
        tx.scalars(
            select(Node.id).where(
                Node.state == "active", Node.offline_since.is_(None), Node.retired_at.is_(None)
            )
        )
    )
    lately = Claim.claimed_at > CLOCK - timedelta(seconds=DEMAND_SECONDS)
    taken = (
        select(Claim.gpu_type, func.count())
        .join(Vm, Vm.id == Claim.vm_id)
        .where(lately, PAYS)
        .group_by(Claim.gpu_type)
    )
    demand = dict(tx.execute(taken).all())
    free = free_counts(tx)
    return {
        gpu_type: Fleet(
            total,
            {
                node: count
                for (node, kind), count in free.items()
                if kind == gpu_type and node in takes_vms and (node, kind) not in claimed
            },
            demand.get(gpu_type, 0),
        )
        for gpu_type, total in tx.execute(healthy)
    }


def _interrupted() -> Select[UUID, str, str, int, int, int | None]:
    """Those that nobody is at. A restore that was given up counts as one more interruption, at its time."""
    return (
        select(
            Vm.id,
            Vm.gpu_type,
            Vm.node_id,
            Vm.gpu_count,
            func.extract("epoch", func.greatest(Interruption.interrupted_at, Interruption.tried_at)),
            recent_interruptions(),
        )
        .join(Interruption, and_(Interruption.vm_id == Vm.id, Interruption.state == "interrupted"))
        .outerjoin(Operation, and_(Operation.vm_id == Vm.id, Operation.state.in_(LIVE)))
        .where(Vm.status == Status.INTERRUPTED.value, Vm.auto_restart.is_(True), Operation.id.is_(None))
    )
