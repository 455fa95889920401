"""`innkeeper vm`: rent, look at and end VMs through the API."""

from typing import Annotated, Any

import typer

from orchestrator.cli.client import connect
from orchestrator.cli.console import out, print_json, status, table
from orchestrator.cli.progress import NotReached
from orchestrator.cli.progress import watch as follow

app = typer.Typer(help="Rent, look at and end VMs.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="print JSON for scripts")]
VmId = Annotated[str, typer.Argument(help="the VM's id")]


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
        vm = client.call("POST", "/vms", json=body, headers=headers)
        if wait:
            vm = follow(client, [vm["id"]], quiet=as_json)[0]
    _show(vm, as_json=as_json)
    if wait and vm["status"] != "running":
        raise NotReached(f"VM {vm['id']} is {vm['status']}: {vm['failure_reason']}")


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
                status(vm["status"]),
                vm["ip_address"] or "–",
                f"{vm['hourly_rate']:.4f}",
            ]
            for vm in vms
        ],
    )


@app.command()
def show(vm_id: VmId, as_json: Json = False) -> None:
    """Show one VM."""
    with connect() as client:
        vm = client.call("GET", f"/vms/{vm_id}")
    _show(vm, as_json=as_json)


@app.command()
def watch(vm_id: VmId, as_json: Json = False) -> None:
    """Follow a VM's steps until it settles."""
    with connect() as client:
        vm = follow(client, [vm_id], quiet=as_json)[0]
    _show(vm, as_json=as_json)


@app.command()
def delete(
    vm_id: VmId,
    wait: Annotated[bool, typer.Option(help="follow it until it is gone")] = True,
    as_json: Json = False,
) -> None:
    """End a VM: its disk and all its data are destroyed."""
    with connect() as client:
        client.call("DELETE", f"/vms/{vm_id}")
        if wait:
            follow(client, [vm_id], quiet=as_json, settled=frozenset({"destroyed"}))
        vm = client.call("GET", f"/vms/{vm_id}")
    _show(vm, as_json=as_json)


def _show(vm: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(vm)
        return
    for key, value in vm.items():
        out.print(f"[dim]{key:>26}[/dim]  {status(value) if key == 'status' else value}")
