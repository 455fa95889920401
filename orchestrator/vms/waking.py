"""Waking operations: ring again for what is due, and at once for what got what it waited for."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, or_, select, text, update

from orchestrator.catalog.models import Node
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Operation
from orchestrator.vms.operations import CLOCK, LIVE, ref, unleased


def wake_due(tx: Transaction, *, ring_again_seconds: float, limit: int = 1000) -> int:
    """Ring for operations that are due, that nobody holds and whose last ring went unanswered; how many.

    Rows that another scheduler looks at are skipped, and those of nodes that are offline.
    """
    patience = text("make_interval(secs => :ring * pow(2, least(operations.rings, 5) - 1))")
    due = (
        select(Operation.id)
        .join(Node, Node.id == Operation.node_id)
        .where(
            Operation.state.in_(LIVE),
            Operation.not_before <= CLOCK,
            unleased(),
            Node.offline_since.is_(None),
            or_(
                Operation.rung_at.is_(None),
                Operation.rung_at + patience.bindparams(bindparam("ring", ring_again_seconds)) < CLOCK,
            ),
        )
        .order_by(Operation.not_before)
        .limit(limit)
        .with_for_update(skip_locked=True, of=Operation)
    )
    return _ring(tx, tx.scalars(due).all())


def wake_parked(tx: Transaction, *, node_id: str, wanted: str) -> None:
    """What was waited for is there: parked operations of the node go on at once.

    One that is locked is being looked at anyway.
    """
    _wake(tx, Operation.node_id == node_id, Operation.parked_for == wanted)


def wake_one(tx: Transaction, operation_id: UUID) -> None:
    """The same for one parked operation."""
    _wake(tx, Operation.id == operation_id)


def _wake(tx: Transaction, *which: ColumnElement[bool]) -> None:
    parked = select(Operation.id).where(Operation.state == "parked", *which)
    _ring(tx, tx.scalars(parked.with_for_update(skip_locked=True)).all())


def _ring(tx: Transaction, operations: Sequence[UUID]) -> int:
    if not operations:
        return 0
    rung = tx.scalars(
        update(Operation)
        .where(Operation.id.in_(operations))
        .values(
            state="open",
            parked_for=None,
            not_before=func.least(Operation.not_before, CLOCK),
            rung_at=CLOCK,
            rings=Operation.rings + 1,
        )
        .returning(Operation)
    )
    for operation in rung:
        tx.ring(ref(operation))
    return len(operations)
