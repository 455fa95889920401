"""The parts alone: `innkeeper api`, `worker`, `scheduler` and `sim`."""

import logging
import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.api.server import serve
from orchestrator.scheduler.process import run_scheduler
from orchestrator.settings import Settings

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def api(
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on")] = 8000,
) -> None:
    """Serve the HTTP API."""
    settings = _settings_with_log()
    serve(settings, host=host, port=port)


def worker(
    node: Annotated[list[str], typer.Option(help="node to serve; may be repeated")],
    name: Annotated[str | None, typer.Option(help="unique name of this worker")] = None,
) -> None:
    """Serve the queue of one or more nodes."""
    arguments = [part for one in node for part in ("--node", one)]
    if name is not None:
        arguments += ["--name", name]
    _become("workers", arguments)


def scheduler(
    state_dir: Annotated[Path, typer.Option(help="where beat keeps its last runs")] = Path(".innkeeper"),
    name: Annotated[str | None, typer.Option(help="unique name of this scheduler")] = None,
) -> None:
    """Run the duties: wake what is due. Two schedulers may run at once."""
    settings = _settings_with_log()
    state_dir.mkdir(parents=True, exist_ok=True)
    unique = name or f"scheduler.{os.getpid()}@{socket.gethostname()}"
    run_scheduler(settings, name=unique, state_dir=state_dir)


def sim(context: typer.Context) -> None:
    """Serve a simulated Proxmox VE; see `innkeeper sim --help`."""
    _become("simulator", context.args)


def _become(module: str, arguments: list[str]) -> None:
    """Turn this process into another of the project's programs."""
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 (our own interpreter)


def _settings_with_log() -> Settings:
    settings = Settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return settings
