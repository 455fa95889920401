"""Making the database say what the catalog says, without touching what is in use."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select, text

from orchestrator.catalog import refusals
from orchestrator.catalog.comparison import Comparison, as_row, change_text, compare, key_of
from orchestrator.catalog.document import Document
from orchestrator.catalog.kinds import KINDS
from orchestrator.catalog.models import Cluster, Node, TemplateCopy
from orchestrator.errors import ConfigurationError
from orchestrator.store.database import Transaction

LOCK_KEY = 0x1AAEECA7
"""Advisory lock: two processes that apply at once do it one after the other."""


@dataclass(frozen=True)
class Changes:
    """What was changed, for people."""

    lines: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.lines)

    def __str__(self) -> str:
        return "\n".join(self.lines) or "nothing to change"


def apply(tx: Transaction, document: Document) -> Changes:
    """Add, change and retire rows until they say what `document` says; a second time changes nothing.

    What is in use stays, and is only not offered any more. Untouched: whether nodes are drained, the health
    of GPUs, claims, addresses that are held, VMIDs that were given out.

    Raises ConfigurationError, before anything is written, with a line for each change that would break VMs.
    """
    _lock(tx)
    compared = {kind.model: compare(tx, kind, kind.wanted(document)) for kind in KINDS}
    refused = refusals.refusals(tx, compared)
    if refused:
        raise ConfigurationError("\n".join(refused))
    _go_on_numbering(tx, compared[Cluster])
    counted: Counter[tuple[str, str]] = Counter()
    for comparison in compared.values():
        counted.update(_add(tx, comparison))
        counted.update(_change(comparison))
        if comparison.kind.model is TemplateCopy:
            counted.update(_drop(tx, comparison, refusals.dropped_copies(compared)))
        else:
            counted.update(_retire(tx, comparison))
        tx.flush()
    return Changes(tuple(_line(name, what, count) for (name, what), count in counted.items()))


def _lock(tx: Transaction) -> None:
    """One application at a time; and no VM is accepted meanwhile, since intake takes the node's row first."""
    tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
    for model in (Node, Cluster):
        tx.execute(select(model.id).order_by(model.id).with_for_update(key_share=True)).all()
    tx.expire_all()


def _go_on_numbering(tx: Transaction, clusters: Comparison) -> None:
    for row in clusters.new:
        row["vmid_next"] = row["vmid_first"]
    for present, row in clusters.both:
        row["vmid_next"] = refusals.next_vmid(tx, present, row)


Said = Iterator[tuple[str, str]]
"""(name of a row, what became of it)."""


def _add(tx: Transaction, comparison: Comparison) -> Said:
    kind = comparison.kind
    if comparison.new:
        tx.execute(insert(kind.model), comparison.new)
    for row in comparison.new:
        yield kind.name(row), "added"


def _change(comparison: Comparison) -> Said:
    kind = comparison.kind
    for present, wanted in comparison.both:
        if getattr(present, "retired_at", None) is not None:
            present.retired_at = None
            yield kind.name(wanted), "offered again"
    for present, wanted, column in comparison.changes():
        yield kind.name(wanted), change_text(present, wanted, column)
        setattr(present, column, wanted[column])


def _retire(tx: Transaction, comparison: Comparison) -> Said:
    kind = comparison.kind
    leaving = [present for present in comparison.missing if present.retired_at is None]
    users = kind.users(tx) if leaving else {}
    for present in leaving:
        present.retired_at = func.now()
        count = len(users.get(key_of(kind, present), ()))
        in_use = f"in use by {count} VM{'s' if count > 1 else ''}: kept, not offered any more"
        yield kind.name(as_row(kind, present)), in_use if count else "retired"


def _drop(tx: Transaction, comparison: Comparison, copies: list[Any]) -> Said:
    """Copies are not retired: those that nobody uses go, the others were refused."""
    for copy in copies:
        tx.delete(copy)
        yield comparison.kind.name(as_row(comparison.kind, copy)), "removed"


def _line(name: str, what: str, count: int) -> str:
    return f"{name}: {what}" + (f" ({count} of them)" if count > 1 else "")
