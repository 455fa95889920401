"""Request traces: what was asked for, when and for how long. The formats are described in docs/lab.md."""

import csv
import gzip
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from orchestrator.errors import ConfigurationError

DAY = 86_400
NEEDED = {"id", "arrival_s", "duration_s", "gpus"}
SIZES = {1, 2, 4, 8}


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Times in seconds from the trace's own zero; `interruptible` is None where the trace has no
    classes."""

    id: str
    arrival: float
    seconds: float
    gpus: int
    interruptible: bool | None


def load(path: Path) -> list[Request]:
    """The requests of a CSV file (gzipped or not), by arrival.

    Rows that no VM can be, and those that never ran, are left out.

    Raises ConfigurationError when it is no such file.
    """
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            return sorted(_rows(path, file), key=lambda request: request.arrival)
    except (OSError, ValueError, EOFError) as error:
        raise ConfigurationError(f"The trace {path} cannot be read: {error}") from None


def _rows(path: Path, file: TextIO) -> Iterator[Request]:
    rows = csv.DictReader(file)
    if missing := NEEDED - set(rows.fieldnames or ()):
        raise ConfigurationError(f"The trace {path} has no column {', '.join(sorted(missing))}.")
    for row in rows:
        if int(row["gpus"]) in SIZES and row["duration_s"]:
            label = row.get("class")
            yield Request(
                id=row["id"],
                arrival=float(row["arrival_s"]),
                seconds=float(row["duration_s"]),
                gpus=int(row["gpus"]),
                interruptible=None if label is None else label == "interruptible",
            )


def is_interruptible(request: Request, salt: str, share: float) -> bool:
    """The trace's own class, or else one drawn by hash, whatever the request's size, length and tenant."""
    if request.interruptible is not None:
        return request.interruptible
    drawn = int(hashlib.sha256((salt + request.id).encode()).hexdigest()[:8], 16)
    return drawn / 2**32 < share


def fixed_node(request: Request, nodes: int) -> int:
    """The node that a request asks for, drawn by hash from its id: as if customers chose blindly."""
    return int(hashlib.sha256(f"node{request.id}".encode()).hexdigest()[:8], 16) % nodes


def until(requests: Sequence[Request], end: float) -> list[Request]:
    """Those that arrive before `end`."""
    return [request for request in requests if request.arrival < end]
