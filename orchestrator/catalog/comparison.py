"""What stands in the file against what stands in the database, table by table."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from orchestrator.catalog.kinds import FIELDS, Kind
from orchestrator.catalog.rows import Row
from orchestrator.catalog.usage import Key
from orchestrator.store.database import Transaction


@dataclass(frozen=True)
class Comparison:
    """One table: what is new, what both have, what the file has no more."""

    kind: Kind
    new: list[Row]
    both: list[tuple[Any, Row]]
    """The row of the database, and the wanted one."""
    missing: list[Any]

    def wanted(self) -> list[Row]:
        """All rows of the file."""
        return [*self.new, *(row for _, row in self.both)]

    def changes(self) -> Iterator[tuple[Any, Row, str]]:
        """(row, wanted row, column) of each value that differs."""
        for present, wanted in self.both:
            for column, value in wanted.items():
                if getattr(present, column) != value:
                    yield present, wanted, column


def compare(tx: Transaction, kind: Kind, wanted: list[Row]) -> Comparison:
    """Read the table and set it against the wanted rows."""
    ordered = select(kind.model).order_by(*(getattr(kind.model, column) for column in kind.key))
    present = {key_of(kind, row): row for row in tx.scalars(ordered)}
    new, both = [], []
    for row in wanted:
        found = present.pop(tuple(row[column] for column in kind.key), None)
        if found is None:
            new.append(row)
        else:
            both.append((found, row))
    return Comparison(kind, new, both, list(present.values()))


def key_of(kind: Kind, present: Any) -> Key:
    return tuple(getattr(present, column) for column in kind.key)


def as_row(kind: Kind, present: Any) -> Row:
    """The key of a row by column, which its label needs."""
    return dict(zip(kind.key, key_of(kind, present), strict=True))


def change_text(present: Any, wanted: Row, column: str) -> str:
    return f"{FIELDS.get(column, column)} {shown(getattr(present, column))} → {shown(wanted[column])}"


def shown(value: object) -> str:
    """A value of the catalog for people: amounts have two decimals or more."""
    match value:
        case None:
            return "none"
        case Decimal():
            whole, _, decimals = f"{value:f}".partition(".")
            return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"
        case list():
            return ", ".join(map(str, value)) or "none"
        case bool():
            return str(value).lower()
        case _:
            return str(value)
