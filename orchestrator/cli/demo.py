"""`innkeeper demo`: rent one VM by SSH key and one by password on a simulated cluster, and log in to both."""

import json
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from orchestrator.cli import keypair
from orchestrator.cli.client import Client
from orchestrator.cli.console import out, print_json
from orchestrator.cli.installation import Installation
from orchestrator.cli.progress import watch
from orchestrator.cli.simulated import Simulated
from orchestrator.cli.up import LOOK_SECONDS, announce, print_access, stop_event
from orchestrator.errors import InnkeeperError

RUNNING_SECONDS = 100
LOGIN_SECONDS = 30


class DemoFailed(InnkeeperError):
    """The demo did not show what it promises."""


@dataclass(frozen=True)
class Guest:
    """A rented VM and the credential that should open it; the other one should not."""

    vm: dict[str, Any]
    key_file: Path | None
    password: str | None

    @property
    def command(self) -> str:
        """The exact command with which a person can log in."""
        known = "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no"
        how = f"-i {self.key_file}" if self.key_file else "-o PubkeyAuthentication=no"
        return f"ssh {how} {known} -p {self.vm['ssh_port']} {self.vm['login_user']}@{self.vm['ip_address']}"


def demo(
    once: Annotated[bool, typer.Option("--once", help="end after the logins")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="last line: one JSON object")] = False,
    nodes: Annotated[int, typer.Option(help="simulated nodes")] = 3,
    gpus: Annotated[int, typer.Option(help="GPUs of each simulated node")] = 8,
    time_scale: Annotated[float, typer.Option(help="simulated seconds take this many real ones")] = 0.05,
) -> None:
    """Show the main job on embedded servers and a simulated Proxmox VE."""
    began = time.monotonic()
    stopped = stop_event()
    with TemporaryDirectory(prefix="innkeeper-demo-") as directory:
        state_dir = Path(directory)
        simulated = Simulated(nodes=nodes, gpus=gpus, time_scale=time_scale)
        installation = Installation(state_dir, simulated=simulated, announce=announce)
        try:
            installation.start()
            _show(installation, began, as_json=as_json)
            if not once:
                out.print("\nCtrl-C stops the demo and removes it.")
                while not stopped.wait(LOOK_SECONDS):
                    installation.check()
        finally:
            installation.remove()


def _show(installation: Installation, began: float, *, as_json: bool) -> None:
    guests = _rent(installation)
    logins = [_prove(guest, installation.state_dir) for guest in guests]
    seconds = round(time.monotonic() - began, 1)
    _tell(installation, guests, logins)
    if as_json:
        print_json({"vms": [guest.vm for guest in guests], "logins": logins, "seconds": seconds})
    if not all(login["accepted"] and login["wrong_credential_refused"] for login in logins):
        raise DemoFailed("A login did not go as it should; see above.")


def _rent(installation: Installation) -> list[Guest]:
    """Two requests through the API, followed until both run."""
    access = installation.access
    client = Client(access.url, access.api_key)
    key_file = installation.state_dir / "demo_key"
    password = secrets.token_urlsafe(12)
    client.call("POST", "/ssh-keys", json={"ssh_public_key": keypair.make(key_file), "label": "demo"})
    offers = client.call("GET", "/search")
    template = client.call("GET", "/templates")[0]["template_vmid"]
    first, second = offers[0], offers[min(1, len(offers) - 1)]
    common = {"gpu_count": 1, "storage_gb": 50, "template_vmid": template}
    announce("renting one VM by SSH key and one by password")
    rented = [
        client.call("POST", "/vms", json={**common, **_where(first)}),
        client.call(
            "POST",
            "/vms",
            json={**common, **_where(second), "auth_method": "password", "password": password},
        ),
    ]
    vms = watch(client, [vm["id"] for vm in rented], timeout_seconds=RUNNING_SECONDS, look=installation.check)
    client.close()
    for vm in vms:
        if vm["status"] != "running":
            raise DemoFailed(f"VM {vm['id']} is {vm['status']}: {vm['failure_reason']}")
    return [Guest(vms[0], key_file, None), Guest(vms[1], None, password)]


def _where(offer: dict[str, Any]) -> dict[str, Any]:
    return {"node": offer["node"], "gpu_type": offer["gpu_type"]}


def _prove(guest: Guest, state_dir: Path) -> dict[str, Any]:
    """The right credential lets in, a wrong one of the same kind does not."""
    wrong_key = state_dir / "wrong_key"
    wrong_key.unlink(missing_ok=True)
    keypair.make(wrong_key)
    right = {"key_file": str(guest.key_file)} if guest.key_file else {"password": guest.password}
    wrong = {"key_file": str(wrong_key)} if guest.key_file else {"password": "not the password"}
    return {
        "id": guest.vm["id"],
        "command": guest.command,
        "accepted": _log_in(guest, right),
        "wrong_credential_refused": not _log_in(guest, wrong),
    }


def _log_in(guest: Guest, credential: dict[str, Any]) -> bool:
    """Try it with paramiko, in a process of its own: only `workers` speak SSH. Secrets go through stdin."""
    vm = guest.vm
    asked = {
        "address": vm["ip_address"],
        "port": vm["ssh_port"],
        "username": vm["login_user"],
        "fingerprint": vm["ssh_host_key_fingerprint"],
        **credential,
    }
    tried = subprocess.run(
        [sys.executable, "-m", "workers.ssh"],
        input=json.dumps(asked),
        text=True,
        capture_output=True,
        timeout=LOGIN_SECONDS,
        check=False,
    )
    if tried.returncode not in (0, 1):
        raise DemoFailed(f"The login to VM {vm['id']} could not be tried: {tried.stderr.strip()}")
    return tried.returncode == 0


def _tell(installation: Installation, guests: list[Guest], logins: list[dict[str, Any]]) -> None:
    for guest, login in zip(guests, logins, strict=True):
        vm = guest.vm
        out.print()
        what = f"{vm['gpu_count']} × {vm['gpu_type']} on {vm['node']}"
        out.print(f"  [bold]{what}[/bold]  VM {vm['vmid']}, {vm['id']}")
        out.print(f"  host key {vm['ssh_host_key_fingerprint']}")
        out.print(f"  {guest.command}", markup=False)
        if guest.password:
            out.print(f"  password: {guest.password}", markup=False)
        out.print(f"  right credential let in: {_yes(login['accepted'])}")
        out.print(f"  wrong credential refused: {_yes(login['wrong_credential_refused'])}")
    print_access(installation)


def _yes(value: bool) -> str:
    return "[green]yes[/green]" if value else "[red]no[/red]"
