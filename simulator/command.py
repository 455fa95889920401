"""`python -m simulator`: a simulated cluster as a process, and the replay of recordings."""

import argparse
import json
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.catalog import catalog
from simulator.demo import demo_config
from simulator.replay.report import as_json, as_table, play_folder
from simulator.simulator import Simulator
from simulator.state.file import StateError

REPLAY = "replay"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        if given[:1] == [REPLAY]:
            options = _replay_parser().parse_args(given[1:])
            return replay(options.folder, in_json=options.json)
        return serve(_serve_parser().parse_args(given))
    except (ValueError, OSError, StateError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _serve_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="Serve a simulated Proxmox VE 9.2 cluster with GPU nodes, until SIGINT or SIGTERM.",
        epilog="Every running VM listens for SSH at a loopback address of its own. "
        "'python -m simulator replay DIR' plays recordings of a real Proxmox VE and compares.",
    )
    add = parser.add_argument
    add("--nodes", type=int, default=3, metavar="N", help="how many nodes, 1 to 1000 (3)")
    add("--gpus", type=int, default=8, metavar="N", help="GPUs per node, at most 16 (8)")
    add("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    add("--port", type=int, default=8006, help="API port; 0 picks a free one (8006)")
    add("--ssh-port", type=int, default=0, help="SSH port of all guests; 0 is 22 where it may be bound (0)")
    add("--time-scale", type=float, default=1.0, metavar="X", help="wall s per simulated s; 0 is instant (1)")
    add("--latency-ms", type=float, default=0, metavar="MS", help="added to every answer (0)")
    add("--state", metavar="FILE", help="keep the cluster's state in this file")
    add("--seed", type=int, default=1, metavar="N", help="makes a run repeatable (1)")
    add("--no-tls", action="store_true", help="plain HTTP")
    add("--json", action="store_true", help="when ready print one line of JSON, and nothing else")
    return parser


def _replay_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulator replay",
        description="Play recorded exchanges with a Proxmox VE against a simulator of its own, and compare.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder of transcripts (*.json)")
    parser.add_argument("--json", action="store_true", help="one object per exchange, at last the totals")
    return parser


def serve(options: argparse.Namespace) -> int:
    """Start, say where, and wait for a signal."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    config = demo_config(
        options.nodes,
        options.gpus,
        host=options.host,
        port=options.port,
        ssh_port=options.ssh_port,
        time_scale=options.time_scale,
        latency_ms=options.latency_ms,
        state_file=options.state,
        seed=options.seed,
        tls=not options.no_tls,
    )
    with Simulator(config) as simulator:
        report = describe(simulator)
        sys.stdout.write(f"{json.dumps(report)}\n" if options.json else _for_people(report))
        sys.stdout.flush()
        ended.wait()
    return 0


def replay(folder: Path, *, in_json: bool = False) -> int:
    """Play a folder and print what came out."""
    played = play_folder(folder)
    for line in as_json(played) if in_json else as_table(played):
        sys.stdout.write(f"{line}\n")
    return 0


def describe(simulator: Simulator) -> dict[str, Any]:
    """Everything that a client has to know."""
    return {
        "url": simulator.url,
        "token_id": simulator.token_id,
        "token_secret": simulator.token_secret,
        "root_password": simulator.root_password,
        "ca_path": simulator.ca_path if simulator.config.tls else None,
        "fingerprint": simulator.fingerprint if simulator.config.tls else None,
        "ssh_port": simulator.ssh_port,
        "control_url": f"{simulator.url}/sim",
        "catalog": catalog(simulator.config),
    }


def _for_people(report: dict[str, Any]) -> str:
    authorization = f"Authorization: PVEAPIToken={report['token_id']}={report['token_secret']}"
    verify = f" --cacert {report['ca_path']}" if report["ca_path"] else ""
    nodes = report["catalog"]["nodes"]
    cards = sum(len(node["gpus"]) for node in nodes)
    curl = f"curl{verify} -H '{authorization}'"
    return (
        f"Simulated Proxmox VE: {len(nodes)} nodes, {cards} GPUs\n"
        f"  page         {report['url']}/\n"
        f"  endpoint     {report['url']}/api2/json\n"
        f"  token        {report['token_id']}={report['token_secret']}\n"
        f"  root@pam     {report['root_password']}\n"
        f"  certificate  {report['ca_path'] or 'none, plain HTTP'}\n"
        f"  guests       SSH on port {report['ssh_port']} at {report['catalog']['guest_network']}\n"
        f"  faults       {report['control_url']}/faults\n\n"
        f"As `pvesh get /nodes`:\n"
        f"  {curl} {report['url']}/api2/json/nodes\n"
        f"Make the next clone fail:\n"
        f'  {curl} {report["control_url"]}/faults -d \'{{"name": "storage_full"}}\'\n\n'
        "Ctrl-C ends it.\n"
    )
