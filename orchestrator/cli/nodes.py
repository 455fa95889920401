"""`innkeeper node`: see the nodes, and take one out of service."""

import time
from collections import Counter
from typing import Annotated, Any

import typer
from rich.live import Live
from sqlalchemy import func, select

from orchestrator.catalog import reads
from orchestrator.cli.console import err, out, print_json, status, table
from orchestrator.cli.direct import opened, transaction
from orchestrator.fleet import drain as draining
from orchestrator.gpus.claims import free_counts
from orchestrator.settings import Settings
from orchestrator.store.database import Database, Transaction
from orchestrator.vms.models import RENTAL_TYPES, Vm
from orchestrator.vms.moments import utc
from orchestrator.vms.statuses import ENDED

app = typer.Typer(help="The nodes, and taking one out of service.", no_args_is_help=True)

NodeId = Annotated[str, typer.Argument(help="the node, such as vm01")]
Json = Annotated[bool, typer.Option("--json", help="print JSON for scripts")]
POLL_SECONDS = 1.0


@app.command("list")
def list_nodes(as_json: Json = False) -> None:
    """List the nodes: what they are doing, and how many VMs and free GPUs they have."""
    with transaction() as tx:
        nodes = _told(tx)
    if as_json:
        print_json(nodes)
        return
    table(
        ["node", "state", "seen", "VMs", "GPUs", "free"],
        [
            [
                node["node"],
                status(node["state"]),
                node["seen_at"] or "never",
                str(node["vms"]),
                str(node["gpus"]),
                str(node["free_gpus"]),
            ]
            for node in nodes
        ],
    )


@app.command()
def drain(
    node: NodeId,
    interrupt: Annotated[
        bool, typer.Option("--interrupt", help="give its interruptible VMs notice, also those being created")
    ] = False,
    wait: Annotated[bool, typer.Option(help="show what is left until nothing is; Ctrl-C leaves it")] = True,
) -> None:
    """Take a node out of service: no new VMs, restores and starts. What runs there goes on."""
    with opened() as database:
        with database.transaction() as tx:
            draining.drain(tx, node, interrupts=interrupt)
        out.print(f"Node {node} takes no VMs from now on; `innkeeper node undrain {node}` ends it.")
        if wait:
            _follow(database, node, interrupt=interrupt)
        else:
            with database.transaction() as tx:
                out.print(_line(node, draining.left(tx, node)))


@app.command()
def undrain(node: NodeId) -> None:
    """Take a node into service again."""
    with opened() as database:
        with database.transaction() as tx:
            draining.undrain(tx, node)
        called_off = draining.call_off_notices(database)
    out.print(f"Node {node} takes VMs again; {called_off} notices were called off.")


def _follow(database: Database, node: str, *, interrupt: bool) -> None:
    """Until nothing is left. The notices do not depend on it: the scheduler gives them too."""
    notice = Settings().interruption_notice_seconds
    try:
        with Live(console=err, refresh_per_second=4, transient=True) as live:
            while True:
                if interrupt:
                    draining.give_notices(database, notice_seconds=notice)
                with database.transaction() as tx:
                    left = draining.left(tx, node)
                if not left:
                    break
                live.update(_line(node, left))
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        out.print(f"{_line(node, left)}; the drain goes on.")
    else:
        out.print(f"Node {node} is empty.")


def _line(node: str, left: Counter[str]) -> str:
    counts = ", ".join(f"{left[kind]} {kind}" for kind in RENTAL_TYPES if left[kind])
    return f"Node {node}: {counts} left" if counts else f"Node {node} is empty."


def _told(tx: Transaction) -> list[dict[str, Any]]:
    total, free = reads.gpu_counts(tx), free_counts(tx)
    vms = dict(
        tx.execute(
            select(Vm.node_id, func.count())
            .where(Vm.status.not_in([ended.value for ended in ENDED]))
            .group_by(Vm.node_id)
        ).all()
    )
    return [
        {
            "node": node.id,
            "state": reads.state(node),
            "seen_at": node.seen_at and utc(node.seen_at),
            "vms": vms.get(node.id, 0),
            "gpus": sum(count for (of, _), count in total.items() if of == node.id),
            "free_gpus": sum(count for (of, _), count in free.items() if of == node.id),
        }
        for node in reads.nodes(tx)
    ]
