"""`innkeeper spend`, `innkeeper usage`, `innkeeper reservation`: what it costs, through the API."""

from typing import Annotated, Any

import typer

from orchestrator.cli.client import connect
from orchestrator.cli.console import out, print_json, status, table

app = typer.Typer(help="Rental terms: what one would cost, and yours.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="print JSON for scripts")]
ReservationId = Annotated[str, typer.Argument(help="the reservation's id")]


def spend(as_json: Json = False) -> None:
    """Show what your VMs cost as they are now."""
    with connect() as client:
        told = client.call("GET", "/billing/current-spend")
    if as_json:
        print_json(told)
        return
    table(
        ["VM", "vmid", "GPUs", "status", "GPUs per hour", "storage per hour", "per hour"],
        [
            [
                vm["vm_id"],
                str(vm["vmid"]),
                f"{vm['gpu_count']} × {vm['gpu_type']}",
                status(vm["status"]),
                *(f"{vm[f'{part}_cost_per_hour']:.4f}" for part in ("gpu", "storage", "total")),
            ]
            for vm in told["vms"]
        ],
    )
    out.print(
        f"{told['total_per_hour']:.4f} {told['currency']} an hour, {told['total_per_day']:.2f} a day, "
        f"{told['total_per_month']:.2f} in 30 days; {told['month_to_date']:.2f} in this month so far"
    )


def usage(
    first: Annotated[
        str | None, typer.Option("--from", help="first day, UTC; default: of this month")
    ] = None,
    last: Annotated[str | None, typer.Option("--to", help="last day, UTC; default: today")] = None,
    vm: Annotated[str | None, typer.Option(help="only this VM")] = None,
    as_json: Json = False,
) -> None:
    """Show what was used and what it costs, VM by VM."""
    asked = {"from": first, "to": last, "vm_id": vm}
    with connect() as client:
        told = client.call(
            "GET", "/billing/usage", params={key: value for key, value in asked.items() if value is not None}
        )
    if as_json:
        print_json(told)
        return
    table(
        ["VM", "vmid", "GPU", "hours of GPUs", "cost"],
        [
            [use["vm_id"], str(use["vmid"]), use["gpu_model"], f"{use['hours']:.2f}", f"{use['cost']:.2f}"]
            for use in told["vm_breakdown"]
        ],
    )
    out.print(
        f"{told['total_cost']:.2f} {told['currency']} for {told['total_hours']:.2f} hours of GPUs, "
        f"{told['period_start']} to {told['period_end']}"
    )


@app.command("list")
def list_reservations(
    state: Annotated[str | None, typer.Option(help="active, ended, cancelled or failed")] = None,
    as_json: Json = False,
) -> None:
    """List your reservations."""
    asked = {"limit": 200} | ({} if state is None else {"state": state})
    with connect() as client:
        terms = client.call("GET", "/reservations", params=asked)
    if as_json:
        print_json(terms)
        return
    table(
        ["id", "VM", "GPUs", "months", "state", "ends", "deposit", "fee"],
        [
            [
                term["id"],
                term["vm_id"],
                f"{term['gpu_count']} × {term['gpu_type']}",
                str(term["reservation_months"]),
                term["state"],
                term["ended_at"] or term["ends_at"],
                f"{term['deposit']:.2f}",
                "–" if term["cancellation_fee"] is None else f"{term['cancellation_fee']:.2f}",
            ]
            for term in terms
        ],
    )


@app.command()
def quote(
    gpu_type: Annotated[str, typer.Option(help="GPU type, for example 5090")],
    months: Annotated[int, typer.Option(help="1, 3 or 6")],
    gpu_count: Annotated[int, typer.Option(help="1, 2, 4 or 8")] = 1,
    storage_gb: Annotated[int, typer.Option(help="disk in GB, at least 50")] = 50,
    as_json: Json = False,
) -> None:
    """Show what a reservation would cost; it reserves nothing."""
    body = {
        "gpu_type": gpu_type,
        "gpu_count": gpu_count,
        "storage_gb": storage_gb,
        "reservation_months": months,
    }
    with connect() as client:
        _show(client.call("POST", "/reservations/calculate", json=body), as_json=as_json)


@app.command()
def cancel(
    reservation_id: ReservationId,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    as_json: Json = False,
) -> None:
    """End a term for a fee, which is shown first; the VM goes on as on_demand."""
    with connect() as client:
        term = client.call("GET", f"/reservations/{reservation_id}")
        if term["state"] == "active" and not yes:
            typer.confirm(
                f"The fee is {term['cancellation_fee_now']:.2f}. Cancel the reservation?",
                abort=True,
                err=True,
            )
        _show(client.call("POST", f"/reservations/{reservation_id}/cancel"), as_json=as_json)


def _show(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    for key, value in told.items():
        out.print(f"[dim]{key:>27}[/dim]  {value}")
