"""Reading the outlook of a pool: who holds its GPUs, who is in line, how long things take there."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, select

from orchestrator.catalog.models import Gpu
from orchestrator.gpus import claims
from orchestrator.gpus.models import Claim
from orchestrator.gpus.snapshot import PoolKey, pools
from orchestrator.policy.outlook import Holder, InLine, Outlook
from orchestrator.store.database import Transaction
from orchestrator.vms.estimates import usual
from orchestrator.vms.models import Interruption, Operation, Vm
from orchestrator.vms.operations import CLOCK, LIVE
from orchestrator.vms.pipelines import PIPELINES, Kind, Step


def outlook(tx: Transaction, key: PoolKey, *, notice_seconds: float) -> Outlook:
    """The outlook of one pool. `notice_seconds` is what the settings say of new notices."""
    holders: dict[UUID, Holder] = {}
    held: dict[UUID, int] = {}
    for row in tx.execute(_holders(key)):
        held[row.id] = row.claims
        if row.gpus:
            holders[row.id] = _holder(row)
    in_quarantine = select(func.count()).where(
        Gpu.node_id == key.node_id,
        Gpu.gpu_type == key.gpu_type,
        Gpu.health != "ok",
        Gpu.retired_at.is_(None),
    )
    return Outlook(
        node_id=key.node_id,
        gpu_type=key.gpu_type,
        pool=pools(tx, [key])[key],
        holders=holders,
        line=tuple(
            InLine(vm.id, vm.gpu_count - held.get(vm.id, 0), pays=vm.rental_type != "interruptible")
            for _, vm in claims.line(tx, *key)
        ),
        quarantined=tx.scalars(in_quarantine).one(),
        usual=usual(tx, key.node_id),
        notice=notice_seconds,
    )


def _holders(key: PoolKey) -> Select[*tuple[Any, ...]]:
    """VMs with claims, also on GPUs that will not be offered again; `gpus` are those that will."""
    held = (
        select(
            Claim.vm_id,
            func.count().label("claims"),
            func.count().filter(claims.OFFERED).label("gpus"),
        )
        .join(Gpu, Gpu.id == Claim.gpu_id)
        .where(Claim.released_at.is_(None), Claim.node_id == key.node_id, Claim.gpu_type == key.gpu_type)
        .group_by(Claim.vm_id)
        .subquery()
    )
    return (
        select(
            Vm.id,
            Vm.user_id,
            Vm.rental_type,
            Vm.status,
            held.c.claims,
            held.c.gpus,
            Operation.kind,
            Operation.step,
            Operation.state,
            Operation.overtaken_by,
            func.extract("epoch", CLOCK - Operation.step_started_at).label("elapsed"),
            func.extract("epoch", Interruption.notice_until - CLOCK).label("notice_left"),
            Interruption.notice_until,
        )
        .join(held, held.c.vm_id == Vm.id)
        .outerjoin(Operation, and_(Operation.vm_id == Vm.id, Operation.state.in_(LIVE)))
        .outerjoin(Interruption, and_(Interruption.vm_id == Vm.id, Interruption.state == "announced"))
        .order_by(Vm.created_at, Vm.id)
    )


def _holder(row: Row[*tuple[Any, ...]]) -> Holder:
    at, elapsed = None, float(row.elapsed or 0)
    if row.overtaken_by is not None:  # it ends at its next safe point, and that one begins
        at, elapsed = (Kind(row.overtaken_by), PIPELINES[Kind(row.overtaken_by)].steps[0]), 0.0
    elif row.kind is not None and row.state == "open":
        at = Kind(row.kind), Step(row.step)
    return Holder(
        vm_id=row.id,
        user_id=row.user_id,
        rental_type=row.rental_type,
        status=row.status,
        gpus=row.gpus,
        at=at,
        elapsed=elapsed,
        notice_left=max(0.0, float(row.notice_left or 0)),
        notice_until=row.notice_until,
    )
