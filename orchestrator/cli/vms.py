"""`innkeeper vm`: rent, look at, stop, start and end VMs through the API."""

from datetime import datetime
from typing import Annotated, Any

import typer

from orchestrator.cli import explain
from orchestrator.cli.client import connect
from orchestrator.cli.console import out, print_json, status, table
from orchestrator.cli.progress import SETTLED, NotReached, count_events
from orchestrator.cli.progress import watch as follow
from orchestrator.errors import InnkeeperError

app = typer.Typer(help="Rent, look at, stop, start and end VMs.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="print JSON for scripts")]
VmId = Annotated[str, typer.Argument(help="the VM's id")]
Wait = Annotated[bool, typer.Option(help="follow it until it is done")]


@app.command()
def create(
    node: Annotated[str, typer.Option(help="node, for example vm01")],
    gpu_type: Annotated[str, typer.Option(help="GPU type, for example 5090")],
    template: Annotated[int, typer.Option(help="template_vmid")],
    gpu_count: Annotated[int, typer.Option(help="1, 2, 4 or 8")] = 1,
    storage_gb: Annotated[int, typer.Option(help="disk in GB, at least 50")] = 50,
    rental_type: Annotated[str, typer.Option(help="on_demand, reserved or interruptible")] = "on_demand",
    months: Annotated[int | None, typer.Option(help="1, 3 or 6, for reserved")] = None,
    ssh_key_id: Annotated[str | None, typer.Option(help="default: the account's oldest key")] = None,
    password: Annotated[bool, typer.Option("--password", help="log in by password; asks for it")] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="repeat safely: the same key, the same VM")
    ] = None,
    wait: Annotated[bool, typer.Option(help="follow it until it runs")] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only say what would happen; nothing is rented")
    ] = False,
    as_json: Json = False,
) -> None:
    """Rent a VM and follow it until it runs."""
    body: dict[str, Any] = {
        "node": node,
        "gpu_type": gpu_type,
        "gpu_count": gpu_count,
        "storage_gb": storage_gb,
        "template_vmid": template,
        "rental_type": rental_type,
        "auth_method": "password" if password else "ssh_key",
    }
    if months is not None:
        body["reservation_months"] = months
    if ssh_key_id is not None:
        body["ssh_key_id"] = ssh_key_id
    if password:
        body["password"] = typer.prompt(
            "Password for the VM (12 characters or more)", hide_input=True, err=True
        )
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    with connect() as client:
        if dry_run:
            explain.show_dry_run(
                client.call("POST", "/vms", params={"dry_run": True}, json=body), as_json=as_json
            )
            return
        vm = client.call("POST", "/vms", json=body, headers=headers)
        if wait:
            vm = follow(client, [vm["id"]], quiet=as_json)[0]
    _show(vm, as_json=as_json)
    if wait:
        _require(vm, "running")


@app.command("list")
def list_vms(
    node: Annotated[str | None, typer.Option(help="only this node")] = None,
    only: Annotated[str | None, typer.Option("--status", help="only this status")] = None,
    as_json: Json = False,
) -> None:
    """List your VMs."""
    asked = {"node": node, "status": only, "limit": 200}
    with connect() as client:
        vms = client.call(
            "GET", "/vms", params={key: value for key, value in asked.items() if value is not None}
        )
    if as_json:
        print_json(vms)
        return
    table(
        ["id", "vmid", "node", "GPUs", "status", "address", "per hour"],
        [
            [
                vm["id"],
                str(vm["vmid"]),
                vm["node"],
                f"{vm['gpu_count']} × {vm['gpu_type']}",
                status(vm["status"]) + _end_of_notice(vm["interrupts_at"]),
                vm["ip_address"] or "–",
                f"{vm['hourly_rate']:.4f}",
            ]
            for vm in vms
        ],
    )


def _end_of_notice(moment: str | None) -> str:
    return f" until {datetime.fromisoformat(moment):%H:%M:%S} UTC" if moment else ""


@app.command()
def show(vm_id: VmId, as_json: Json = False) -> None:
    """Show one VM."""
    with connect() as client:
        vm = client.call("GET", f"/vms/{vm_id}")
    _show(vm, as_json=as_json)


@app.command("explain")
def explain_vm(vm_id: VmId, as_json: Json = False) -> None:
    """Say what a VM waits for, what is in its way, what would help and how long it may take."""
    with connect() as client:
        told = client.call("GET", f"/vms/{vm_id}/explain")
    explain.show(told, as_json=as_json)


@app.command()
def watch(vm_id: VmId, as_json: Json = False) -> None:
    """Follow a VM's steps until it settles."""
    with connect() as client:
        vm = follow(client, [vm_id], quiet=as_json)[0]
    _show(vm, as_json=as_json)


@app.command()
def start(vm_id: VmId, wait: Wait = True, as_json: Json = False) -> None:
    """Start a VM that is stopped or interrupted, with GPUs of its type that are free."""
    _ask(vm_id, "start", "running", SETTLED, wait=wait, as_json=as_json)


@app.command()
def stop(vm_id: VmId, wait: Wait = True, as_json: Json = False) -> None:
    """Stop a VM: its disk stays, its GPUs go to others unless it is reserved."""
    _ask(vm_id, "stop", "stopped", SETTLED - {"running", "interrupted"}, wait=wait, as_json=as_json)


@app.command()
def restart(vm_id: VmId, wait: Wait = True, as_json: Json = False) -> None:
    """Shut a VM down and start it again, with the same GPUs."""
    _ask(vm_id, "restart", "running", SETTLED, wait=wait, as_json=as_json)


@app.command("set")
def set_fields(
    vm_id: VmId,
    label: Annotated[str | None, typer.Option(help="a name for it; an empty one clears it")] = None,
    auto_restart: Annotated[
        bool | None,
        typer.Option("--auto-restart/--no-auto-restart", help="come back after an interruption"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Change the label of a VM, or whether it comes back by itself."""
    body: dict[str, Any] = {}
    if label is not None:
        body["instance_label"] = label or None
    if auto_restart is not None:
        body["auto_restart"] = auto_restart
    if not body:
        raise InnkeeperError("Nothing to change: give --label, --auto-restart or --no-auto-restart.")
    with connect() as client:
        vm = client.call("PATCH", f"/vms/{vm_id}", json=body)
    _show(vm, as_json=as_json)


@app.command()
def history(vm_id: VmId, as_json: Json = False) -> None:
    """Show how often a VM was interrupted, for whom, and for how long."""
    with connect() as client:
        records = client.call("GET", f"/vms/{vm_id}/interruption-history")
    if as_json:
        print_json(records)
        return
    table(
        ["interrupted", "for", "back", "seconds down", "status"],
        [
            [
                record["preempted_at"],
                record["preempted_by_vm_id"] or "–",
                record["restored_at"] or "–",
                "–" if record["downtime_seconds"] is None else f"{record['downtime_seconds']:.0f}",
                record["status"],
            ]
            for record in records
        ],
    )


@app.command()
def delete(
    vm_id: VmId,
    wait: Annotated[bool, typer.Option(help="follow it until it is gone")] = True,
    as_json: Json = False,
) -> None:
    """End a VM: its disk and all its data are destroyed."""
    with connect() as client:
        seen = count_events(client, vm_id)
        client.call("DELETE", f"/vms/{vm_id}")
        if wait:
            follow(client, [vm_id], quiet=as_json, settled=frozenset({"destroyed"}), seen=seen)
        vm = client.call("GET", f"/vms/{vm_id}")
    _show(vm, as_json=as_json)


def _ask(vm_id: str, what: str, wanted: str, settled: frozenset[str], *, wait: bool, as_json: bool) -> None:
    with connect() as client:
        seen = count_events(client, vm_id)
        vm = client.call("POST", f"/vms/{vm_id}/{what}")
        if wait:
            vm = follow(client, [vm_id], quiet=as_json, settled=settled, seen=seen)[0]
    _show(vm, as_json=as_json)
    if wait:
        _require(vm, wanted)


def _require(vm: dict[str, Any], wanted: str) -> None:
    if vm["status"] != wanted:
        reason = f": {vm['failure_reason']}" if vm["failure_reason"] else "."
        raise NotReached(f"VM {vm['id']} is {vm['status']}{reason}")


def _show(vm: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(vm)
        return
    for key, value in vm.items():
        out.print(f"[dim]{key:>26}[/dim]  {status(value) if key == 'status' else value}")
