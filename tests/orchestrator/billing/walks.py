"""Leading VMs through statuses by the transitions that charge for them, and what came of it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select, update

from orchestrator.billing.models import Reservation, UsageInterval
from orchestrator.gpus import claims
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Event, Operation, Vm
from orchestrator.vms.statuses import ENDED, Status
from orchestrator.vms.transitions import move
from tests.seed import Seed

TO_RUNNING = (Status.STARTING, Status.RUNNING)
TO_STOPPED = (Status.STOPPING, Status.STOPPED)


@contextmanager
def undone(seed: Seed) -> Iterator[Transaction]:
    """A transaction that is rolled back in the end."""
    with Transaction(seed.database.engine) as tx, tx.begin() as whole:
        yield tx
        whole.rollback()


def locked(tx: Transaction, vm_id: UUID) -> Vm:
    return tx.scalars(select(Vm).where(Vm.id == vm_id).with_for_update(key_share=True)).one()


def bring(seed: Seed, vm_id: UUID, *statuses: Status, actor: str = "innkeeper") -> None:
    """Walk a VM through statuses, its operation being over."""
    with seed.database.transaction() as tx:
        vm = locked(tx, vm_id)
        tx.execute(
            update(Operation)
            .where(Operation.vm_id == vm_id, Operation.finished_at.is_(None))
            .values(state="done", finished_at=func.now(), parked_for=None)
        )
        for status in statuses:
            if status in ENDED:
                vm.failure_reason = "for the test"
                claims.release(tx, vm, because="test")
            move(tx, vm, status, actor=actor, cause="test")


def shift(seed: Seed, vm_id: UUID, by: timedelta) -> None:
    """As if all that has happened to a VM had happened so much earlier."""
    with seed.database.transaction() as tx:
        tx.execute(
            update(UsageInterval)
            .where(UsageInterval.vm_id == vm_id)
            .values(started_at=UsageInterval.started_at - by, ended_at=UsageInterval.ended_at - by)
        )
        tx.execute(update(Event).where(Event.vm_id == vm_id).values(at=Event.at - by))
        term = select(Vm.reservation_id).where(Vm.id == vm_id).scalar_subquery()
        tx.execute(
            update(Reservation)
            .where(Reservation.id == term)
            .values(starts_at=Reservation.starts_at - by, ends_at=Reservation.ends_at - by)
        )


def intervals(tx: Transaction, vm_id: UUID) -> list[UsageInterval]:
    """In order, as the database has them."""
    order = (UsageInterval.started_at, UsageInterval.id)
    query = select(UsageInterval).where(UsageInterval.vm_id == vm_id).order_by(*order)
    return list(tx.scalars(query.execution_options(populate_existing=True)))


def status_events(tx: Transaction, vm_id: UUID) -> list[Event]:
    """The time line's transitions."""
    line = select(Event).where(Event.vm_id == vm_id, Event.kind == "status").order_by(Event.id)
    return list(tx.scalars(line))


def times(tx: Transaction, vm_id: UUID) -> Counter[tuple[str, Decimal]]:
    """Microseconds charged for, by resource and rate; all intervals being closed."""
    charged: Counter[tuple[str, Decimal]] = Counter()
    for interval in intervals(tx, vm_id):
        assert interval.ended_at is not None
        microseconds = (interval.ended_at - interval.started_at) // timedelta(microseconds=1)
        charged[interval.resource, interval.hourly_rate] += microseconds
    return +charged


def reservation(seed: Seed, vm_id: UUID) -> Reservation:
    with seed.database.transaction() as tx:
        return tx.scalars(select(Reservation).join(Vm).where(Vm.id == vm_id)).one()


def row(seed: Seed, vm_id: UUID) -> Vm:
    with seed.database.transaction() as tx:
        return tx.get_one(Vm, vm_id)


def told(seed: Seed, vm_id: UUID) -> list[str]:
    """The lines of its time line that Innkeeper or its owner caused, newest last."""
    with seed.database.transaction() as tx:
        return list(tx.scalars(select(Event.text).where(Event.vm_id == vm_id).order_by(Event.id)))
