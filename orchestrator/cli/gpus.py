"""`innkeeper gpu` and `innkeeper findings`: cards and differences that need an operator."""

from typing import Annotated, Any

import typer
from rich.markup import escape
from sqlalchemy import select

from orchestrator.catalog.models import Gpu
from orchestrator.cli.console import out, print_json, table
from orchestrator.cli.direct import transaction
from orchestrator.fleet import findings as found
from orchestrator.gpus import quarantine as quarantining
from orchestrator.gpus.models import Claim
from orchestrator.vms.moments import utc

app = typer.Typer(help="The GPUs and their quarantine.", no_args_is_help=True)

NodeId = Annotated[str, typer.Argument(help="the node, such as vm01")]
Mapping = Annotated[str, typer.Argument(help="the GPU by its PVE mapping, such as gpu-vm01-0")]
Json = Annotated[bool, typer.Option("--json", help="print JSON for scripts")]


@app.command("list")
def list_gpus(
    node: Annotated[str | None, typer.Option(help="only of this node")] = None,
    quarantined: Annotated[bool, typer.Option("--quarantined", help="only those in quarantine")] = False,
    as_json: Json = False,
) -> None:
    """List the GPUs: who holds each, and why one is not offered."""
    rows = (
        select(Gpu, Claim.vm_id)
        .outerjoin(Claim, (Claim.gpu_id == Gpu.id) & Claim.released_at.is_(None))
        .where(Gpu.retired_at.is_(None))
        .order_by(Gpu.node_id, Gpu.id)
    )
    if node is not None:
        rows = rows.where(Gpu.node_id == node)
    if quarantined:
        rows = rows.where(Gpu.health == "quarantined")
    with transaction() as tx:
        gpus = [_gpu(gpu, vm_id) for gpu, vm_id in tx.execute(rows)]
    if as_json:
        print_json(gpus)
        return
    table(
        ["node", "mapping", "type", "VM", "health", "since", "why"],
        [
            [
                gpu["node"],
                gpu["mapping"],
                gpu["gpu_type"],
                gpu["vm_id"] or "–",
                gpu["health"],
                gpu["quarantined_at"] or "",
                escape(gpu["quarantine_reason"] or ""),
            ]
            for gpu in gpus
        ],
    )


@app.command()
def quarantine(
    node: NodeId,
    mapping: Mapping,
    reason: Annotated[str, typer.Option(help="for whoever finds it in the list")],
) -> None:
    """Offer a GPU no more. A VM that has it keeps it until it is stopped."""
    with transaction() as tx:
        quarantining.known(tx, node, mapping)
        done = quarantining.quarantine(tx, node, mapping, cause="operator", reason=reason)
    out.print(f"GPU {mapping} of node {node} is {'now' if done else 'already'} in quarantine.")


@app.command()
def release(node: NodeId, mapping: Mapping) -> None:
    """Offer a GPU again, first to those who wait."""
    with transaction() as tx:
        done = quarantining.lift(tx, node, mapping)
    out.print(
        f"GPU {mapping} of node {node} is offered again."
        if done
        else f"GPU {mapping} of node {node} is not in quarantine."
    )


def findings(as_json: Json = False) -> None:
    """List what the sweep found and an operator has to look at, each with the command to run as root."""
    with transaction() as tx:
        rows = [
            {
                "kind": finding.kind,
                "cluster": finding.cluster_id,
                "node": finding.node_id,
                "vmid": finding.vmid,
                "vm_id": finding.vm_id and str(finding.vm_id),
                "text": finding.text,
                "command": finding.command,
                "first_seen_at": utc(finding.first_seen_at),
                "last_seen_at": utc(finding.last_seen_at),
            }
            for finding in found.present(tx)
        ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        out.print(f"[yellow]{row['kind']}[/yellow]  [dim]since {row['first_seen_at']}[/dim]")
        out.print(f"  {row['text']}", markup=False)
        if row["command"]:
            out.print(f"  # {row['command']}", markup=False)
    out.print(f"{len(rows)} findings.")


def _gpu(gpu: Gpu, vm_id: Any) -> dict[str, Any]:
    return {
        "node": gpu.node_id,
        "mapping": gpu.mapping,
        "gpu_type": gpu.gpu_type,
        "vm_id": vm_id and str(vm_id),
        "health": gpu.health,
        "quarantine_cause": gpu.quarantine_cause,
        "quarantine_reason": gpu.quarantine_reason,
        "quarantined_at": gpu.quarantined_at and utc(gpu.quarantined_at),
    }
