"""`innkeeper db`: the database."""

import typer

from orchestrator.cli.console import out
from orchestrator.cli.direct import opened
from orchestrator.store import migrate

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The database."""


@app.command()
def upgrade() -> None:
    """Bring the database to the newest schema (INNKEEPER_DATABASE_URL)."""
    with opened() as database:
        migrate.upgrade(database.engine)
    out.print("The database has the newest schema.")
