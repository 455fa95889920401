"""Writing for people (rich, stdout), for scripts (`--json`, stdout) and complaints (stderr)."""

import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

wide = Console(highlight=False, width=500)
"""For tables, which would be cut at the width of the terminal."""

STATUS_STYLES = {
    "running": "green",
    "creating": "cyan",
    "starting": "cyan",
    "stopping": "yellow",
    "failed": "red",
    "offline": "red",
    "interrupted": "yellow",
    "destroyed": "dim",
}


def complain(text: str) -> None:
    """One error, on stderr."""
    err.print(f"[red]error:[/red] {escape(text)}")


def print_json(value: Any) -> None:
    """One JSON value on one line."""
    out.out(json.dumps(value, separators=(",", ":")), highlight=False)


def table(columns: list[str], rows: list[list[str]]) -> None:
    """Rows under headings, as wide as they are: ids must stay whole."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column)
    for row in rows:
        drawn.add_row(*row)
    wide.print(drawn)


def status(value: str) -> str:
    """A status in its colour."""
    style = STATUS_STYLES.get(value, "white")
    return f"[{style}]{value}[/{style}]"
