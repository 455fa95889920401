"""Reservations: tell owners that a term ends soon, end it in time, have GPUs without a term given up."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import exists, func, select

from orchestrator.billing import handover
from orchestrator.billing.models import Reservation
from orchestrator.gpus.models import Claim
from orchestrator.scheduler.duties import run_duty
from orchestrator.store.database import Database, Transaction
from orchestrator.vms import events
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.operations import LIVE
from orchestrator.vms.statuses import Status

AT_ONCE = 100
"""VMs that one tick locks for one purpose; the next tick goes on."""


def end_terms(database: Database, *, notice_seconds: float) -> str | None:
    """One tick. Returns what it did, or None when another scheduler is at it.

    A VM that somebody works on at this moment is left to the next tick.
    """

    def work(tx: Transaction) -> str:
        over = _ending(tx, within=timedelta(0))
        for vm, reservation in over:
            handover.end(tx, vm, reservation)
        soon = _ending(tx, within=timedelta(seconds=notice_seconds), untold=True)
        for vm, reservation in soon:
            handover.tell(tx, vm, reservation)
        idle = _stopped_with_cards(tx)
        for vm in idle:
            handover.give_up_cards(tx, vm, actor=events.INNKEEPER)
        return f"{len(over)} terms ended, {len(soon)} owners told, {len(idle)} stopped VMs give up GPUs"

    return run_duty(database, "reservations", work)


def _ending(tx: Transaction, *, within: timedelta, untold: bool = False) -> list[tuple[Vm, Reservation]]:
    """Terms that run and end within that time, the nearest first; their VMs are locked."""
    query = (
        select(Vm, Reservation)
        .join(Reservation, Reservation.id == Vm.reservation_id)
        .where(Reservation.ended_at.is_(None), Reservation.ends_at <= func.clock_timestamp() + within)
        .order_by(Reservation.ends_at)
        .limit(AT_ONCE)
        .with_for_update(key_share=True, skip_locked=True, of=Vm)
    )
    if untold:
        query = query.where(Reservation.told_at.is_(None))
    return [(vm, reservation) for vm, reservation in tx.execute(query)]


def _stopped_with_cards(tx: Transaction) -> Sequence[Vm]:
    """VMs whose term is over that hold GPUs though they are off, as when their node was away at the end."""
    claimed = exists().where(Claim.vm_id == Vm.id, Claim.released_at.is_(None))
    under_way = exists().where(Operation.vm_id == Vm.id, Operation.state.in_(LIVE))
    return tx.scalars(
        select(Vm)
        .where(
            Vm.status == Status.STOPPED,
            Vm.rental_type == "on_demand",
            Vm.reservation_id.is_not(None),
            claimed,
            ~under_way,
        )
        .limit(AT_ONCE)
        .with_for_update(key_share=True, skip_locked=True)
    ).all()
