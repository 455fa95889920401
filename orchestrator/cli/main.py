"""The `innkeeper` command: what it offers, and how it reports errors."""

import sys

import httpx
import typer
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.cli import (
    accounts,
    billing,
    catalog,
    demo,
    duties,
    gpus,
    lab,
    nodes,
    processes,
    store,
    up,
    vms,
)
from orchestrator.cli.console import complain
from orchestrator.errors import InnkeeperError

app = typer.Typer(
    name="innkeeper",
    help="Rents GPU virtual machines on Proxmox VE.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(up.up)
app.command()(demo.demo)
app.add_typer(vms.app, name="vm")
app.add_typer(billing.app, name="reservation")
app.command()(billing.spend)
app.command()(billing.usage)
app.add_typer(catalog.app, name="catalog")
app.add_typer(nodes.app, name="node")
app.add_typer(gpus.app, name="gpu")
app.command()(gpus.findings)
app.add_typer(accounts.users, name="user")
app.add_typer(accounts.keys, name="key")
app.add_typer(store.app, name="db")
app.command(context_settings=processes.PASS_ON)(processes.sim)
app.command()(processes.api)
app.command()(processes.worker)
app.command()(processes.scheduler)
app.command()(duties.duties)
app.command()(lab.lab)


def run() -> None:
    """Entry point. Errors are one line on stderr and exit code 1, never a traceback."""
    try:
        app()
    except InnkeeperError as error:
        complain(str(error))
    except httpx.HTTPError as error:
        complain(
            f"The API does not answer ({type(error).__name__}): is `innkeeper up` or `innkeeper api` running?"
        )
    except SQLAlchemyError as error:
        complain(
            f"The database refused ({type(error).__name__}): "
            "is `innkeeper up` running in this directory? Else check INNKEEPER_DATABASE_URL, and run "
            "`innkeeper db upgrade`."
        )
    else:
        return
    sys.exit(1)
