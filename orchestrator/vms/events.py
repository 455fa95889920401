"""Writing the time line."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert

from orchestrator.store.database import Transaction
from orchestrator.vms.models import Event

INNKEEPER = "innkeeper"
"""The actor of what nobody asked for."""


def record(
    tx: Transaction,
    vm_id: UUID,
    text: str,
    *,
    actor: str,
    operation_id: UUID | None = None,
    step: str | None = None,
    attempt: int | None = None,
    moved: tuple[str, str] | None = None,
    at: datetime | None = None,
) -> None:
    """Add one line. `text` is for the VM's owner: what happened and why, without secrets.

    `moved` is the pair of statuses of a transition, `at` its moment (default: now).
    """
    before, after = moved or (None, None)
    tx.execute(
        insert(Event).values(
            vm_id=vm_id,
            operation_id=operation_id,
            at=at or func.clock_timestamp(),
            actor=actor,
            kind="status" if moved else "step" if step else "note",
            from_status=before,
            to_status=after,
            step=step,
            attempt=attempt,
            text=text,
        )
    )
