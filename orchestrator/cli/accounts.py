"""`innkeeper user` and `innkeeper key`: accounts and their API keys, written straight into the database."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated

import typer

from orchestrator.accounts import api_keys
from orchestrator.accounts import users as accounts
from orchestrator.cli.console import out, print_json
from orchestrator.cli.direct import transaction

users = typer.Typer(help="Accounts.", no_args_is_help=True)
keys = typer.Typer(help="API keys.", no_args_is_help=True)


@users.callback()
def _users() -> None:
    """Accounts."""


@keys.callback()
def _keys() -> None:
    """API keys."""


@users.command("add")
def add_user(
    email: Annotated[str, typer.Argument(help="email address, unique")],
    subject: Annotated[str | None, typer.Option(help="`sub` claim of its JWTs; default: the email")] = None,
    max_vms: Annotated[int, typer.Option(help="most VMs at a time")] = accounts.MAX_VMS,
    max_hourly_spend: Annotated[float, typer.Option(help="most it may spend an hour")] = float(
        accounts.MAX_HOURLY_SPEND
    ),
) -> None:
    """Add an account."""
    with transaction() as tx:
        user = accounts.add(
            tx, email, subject=subject, max_vms=max_vms, max_hourly_spend=Decimal(str(max_hourly_spend))
        )
        out.print(f"User {user.id}: {user.email}. `innkeeper key create {user.email}` gives it an API key.")


@users.command("disable")
def disable_user(email: Annotated[str, typer.Argument(help="the account")]) -> None:
    """Let none of an account's credentials in any more; its VMs stay."""
    with transaction() as tx:
        accounts.disable(tx, email)
    out.print(f"{email} is disabled; `innkeeper user enable {email}` lets it in again.")


@users.command("enable")
def enable_user(email: Annotated[str, typer.Argument(help="the account")]) -> None:
    """Let an account in again."""
    with transaction() as tx:
        accounts.enable(tx, email)
    out.print(f"{email} is enabled.")


@keys.command("create")
def create_key(
    email: Annotated[str, typer.Argument(help="the account")],
    name: Annotated[str, typer.Option(help="to tell keys apart")] = api_keys.DEFAULT_NAME,
    scope: Annotated[list[str] | None, typer.Option(help="read_write, read_only, billing_only")] = None,
    days: Annotated[int | None, typer.Option(help="days until it expires; default: never")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for scripts")] = False,
) -> None:
    """Make an API key and show it: this once."""
    with transaction() as tx:
        key = api_keys.create(
            tx,
            accounts.find(tx, email).id,
            name=name,
            scopes=scope or api_keys.DEFAULT_SCOPES,
            expires_in=None if days is None else timedelta(days=days),
        )
    if as_json:
        print_json({"api_key": key.text, "name": name})
    else:
        out.print(f"{key.text}\n[dim]It is not stored: keep it now.[/dim]")
