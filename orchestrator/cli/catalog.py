"""`innkeeper catalog`: check the TOML file, and apply it to the database."""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.catalog import apply as applying
from orchestrator.catalog.check import check as read
from orchestrator.cli.console import out
from orchestrator.cli.direct import transaction

app = typer.Typer(help="Clusters, nodes, GPUs, templates and prices.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="catalog in TOML; deploy/catalog.example.toml is an example")]


@app.command()
def check(file: File) -> None:
    """Check a catalog without a database: every fault with its line and field."""
    document = read(file)
    out.print(f"{file}: {len(document.clusters)} clusters, {len(document.nodes)} nodes: no fault found.")


@app.command()
def apply(file: File) -> None:
    """Bring the database to what the catalog says; what is in use is never dropped."""
    document = read(file)
    with transaction() as tx:
        changes = applying.apply(tx, document)
    out.print(str(changes), markup=False)
