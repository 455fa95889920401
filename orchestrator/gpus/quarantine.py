"""Quarantine: a card that misbehaves is offered no more, until it has proved well or an operator says so."""

from sqlalchemy import delete, func, select, update

from orchestrator.catalog.models import Gpu
from orchestrator.errors import NotFound
from orchestrator.fleet.models import GpuStrike
from orchestrator.gpus import claims
from orchestrator.store.database import Transaction


def quarantine(tx: Transaction, node_id: str, mapping: str, *, cause: str, reason: str) -> bool:
    """Offer a card no more; whether it was offered until now. Its present claim stays until its VM is off.

    `cause` is one of `QUARANTINE_CAUSES`, `reason` a text for operators. The first reason stays.
    """
    done = tx.scalars(
        update(Gpu)
        .where(Gpu.node_id == node_id, Gpu.mapping == mapping, Gpu.health == "ok")
        .values(
            health="quarantined",
            quarantine_cause=cause,
            quarantine_reason=reason,
            quarantined_at=func.now(),
        )
        .returning(Gpu.id)
    )
    return done.one_or_none() is not None


def lift(tx: Transaction, node_id: str, mapping: str, *, cause: str | None = None) -> bool:
    """Offer a card again, first to those who wait; whether it was in quarantine (for `cause`, if given)."""
    claims.gate(tx, node_id)
    gpu = known(tx, node_id, mapping)
    if gpu.health == "ok" or cause not in (None, gpu.quarantine_cause):
        return False
    gpu.health = "ok"
    gpu.quarantine_cause = gpu.quarantine_reason = gpu.quarantined_at = None
    tx.execute(delete(GpuStrike).where(GpuStrike.gpu_id == gpu.id))
    tx.flush()
    claims.hand_on(tx, node_id, gpu.gpu_type)
    return True


def known(tx: Transaction, node_id: str, mapping: str) -> Gpu:
    """The card. Raises NotFound."""
    gpu = tx.scalar(select(Gpu).where(Gpu.node_id == node_id, Gpu.mapping == mapping))
    if gpu is None:
        raise NotFound(f"There is no GPU {mapping} on node {node_id}; `innkeeper gpu list` shows them.")
    return gpu
