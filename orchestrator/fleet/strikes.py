"""Strikes: a start failed by a device, and no card was named. With two different VMs, a card is out."""

from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from orchestrator.catalog.models import Gpu
from orchestrator.fleet.models import GpuStrike
from orchestrator.gpus.models import Claim
from orchestrator.gpus.quarantine import quarantine
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm

TOO_MANY = 2


def strike(tx: Transaction, vm: Vm, reason: str) -> list[str]:
    """Give each card that `vm` holds a strike; those that got one of another VM too are quarantined.

    A VM strikes a card once, however often it fails. Returns the mappings of the cards that are quarantined.
    """
    fallen = []
    for gpu in tx.scalars(select(Gpu).where(Gpu.id.in_(_held(vm))).order_by(Gpu.id)):
        given = insert(GpuStrike).values(gpu_id=gpu.id, vm_id=vm.id, reason=reason)
        tx.execute(given.on_conflict_do_nothing())
        count = tx.scalars(select(func.count()).where(GpuStrike.gpu_id == gpu.id)).one()
        why = f"{count} different VMs could not be started with it; the last: {reason}"
        if count >= TOO_MANY and quarantine(tx, gpu.node_id, gpu.mapping, cause="start", reason=why):
            fallen.append(gpu.mapping)
    return fallen


def clear(tx: Transaction, vm: Vm) -> None:
    """`vm` runs with its cards: they are well."""
    tx.execute(delete(GpuStrike).where(GpuStrike.gpu_id.in_(_held(vm))))


def _held(vm: Vm) -> Select[Any]:
    return select(Claim.gpu_id).where(Claim.vm_id == vm.id, Claim.released_at.is_(None))
