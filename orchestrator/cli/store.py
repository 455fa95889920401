"""`innkeeper db`: the database."""

import typer

from orchestrator.cli.console import out
from orchestrator.settings import Settings
from orchestrator.store import migrate
from orchestrator.store.database import Database

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The database."""


@app.command()
def upgrade() -> None:
    """Bring the database to the newest schema (INNKEEPER_DATABASE_URL)."""
    database = Database(Settings().database)
    migrate.upgrade(database.engine)
    database.close()
    out.print("The database has the newest schema.")
