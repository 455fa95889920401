"""`innkeeper up`: everything on one machine, in the foreground."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.console import out
from orchestrator.cli.installation import Installation
from orchestrator.cli.simulated import Simulated

LOOK_SECONDS = 0.2


def up(
    sim: Annotated[bool, typer.Option("--sim", help="with a simulated Proxmox VE")] = False,
    catalog: Annotated[Path | None, typer.Option(help="with the clusters of this catalog")] = None,
    nodes: Annotated[int, typer.Option(help="simulated nodes")] = 3,
    gpus: Annotated[int, typer.Option(help="GPUs of each simulated node")] = 8,
    time_scale: Annotated[float, typer.Option(help="simulated seconds take this many real ones")] = 0.05,
    port: Annotated[int | None, typer.Option(help="port of the API; default: a free one")] = None,
    state_dir: Annotated[Path, typer.Option(help="databases, logs and secrets")] = Path(".innkeeper"),
) -> None:
    """Run everything in the foreground on embedded servers, until Ctrl-C."""
    simulated = Simulated(nodes=nodes, gpus=gpus, time_scale=time_scale) if sim else None
    stopped = stop_event()
    with Installation(
        state_dir, catalog=catalog, simulated=simulated, port=port, announce=announce
    ) as installation:
        print_access(installation)
        out.print("\nCtrl-C stops everything; what runs goes on at the next start.")
        while not stopped.wait(LOOK_SECONDS):
            installation.check()
        out.print("stopping")


def announce(line: str) -> None:
    """One line of progress."""
    out.print(f"[dim]·[/dim] {line}")


def stop_event() -> threading.Event:
    """Set by Ctrl-C or SIGTERM."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    return stopped


def print_access(installation: Installation) -> None:
    """Where API, documentation and Flower are."""
    access = installation.access
    out.print()
    out.print(f"  API      {access.url}   key {access.api_key}")
    out.print(f"  docs     {access.docs_url}")
    out.print(
        f"  Flower   {access.flower_url}   user {access.flower_user}, password {access.flower_password}"
    )
    out.print(f"  logs     {installation.state_dir / 'logs'}")
    out.print("  try      innkeeper vm list")
