"""The moment of a change to a VM, and how moments are written."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, select

from orchestrator.store.database import Transaction
from orchestrator.vms.models import Event


def moment(tx: Transaction, vm_id: UUID) -> datetime:
    """Now, by the database's clock, but never before what is on the VM's time line: a clock that is set back
    must not stop a VM's changes, nor charge for less than nothing. The caller has locked the VM.
    """
    last = select(func.max(Event.at)).where(Event.vm_id == vm_id).scalar_subquery()
    at: datetime = tx.scalars(select(func.greatest(func.clock_timestamp(), last))).one()
    return at


def utc(at: datetime) -> str:
    """A moment for texts and JSON, in UTC and to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
