"""Following VMs until they settle: each step as it ends, live."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.markup import escape

from orchestrator.cli.client import Client
from orchestrator.cli.console import out, status
from orchestrator.errors import InnkeeperError

SETTLED = frozenset({"running", "stopped", "interrupted", "failed", "destroyed", "offline"})
POLL_SECONDS = 0.5
PAGE = 1000
"""Events in one answer of the API, at most."""


class NotReached(InnkeeperError):
    """A VM did not become what it was watched for."""


def watch(
    client: Client,
    vm_ids: Sequence[str],
    *,
    quiet: bool = False,
    timeout_seconds: float | None = None,
    settled: frozenset[str] = SETTLED,
    seen: int = 0,
    look: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """Print the events of the VMs as they come, until all have settled; their VM objects then.

    `seen` is how many events of each need not be printed, as `count_events` tells before a request. `look` is
    called between two polls. Raises NotReached after `timeout_seconds`.
    """
    began = time.monotonic()
    printed = dict.fromkeys(vm_ids, seen)
    while True:
        vms = [client.call("GET", f"/vms/{vm_id}") for vm_id in vm_ids]
        if not quiet:
            for vm in vms:
                printed[vm["id"]] += _print_events(client, vm, printed[vm["id"]], time.monotonic() - began)
        if all(vm["status"] in settled for vm in vms):
            return vms
        if timeout_seconds is not None and time.monotonic() - began > timeout_seconds:
            waiting = ", ".join(f"{vm['id']} is {vm['status']}" for vm in vms if vm["status"] not in settled)
            raise NotReached(f"Not there after {timeout_seconds:g} s: {waiting}.")
        look()
        time.sleep(POLL_SECONDS)


def count_events(client: Client, vm_id: str) -> int:
    """How many events a VM has had so far."""
    count = 0
    while events := _events(client, vm_id, count):
        count += len(events)
    return count


def _events(client: Client, vm_id: str, offset: int) -> list[dict[str, Any]]:
    page: list[dict[str, Any]] = client.call(
        "GET", f"/vms/{vm_id}/events", params={"limit": PAGE, "offset": offset}
    )
    return page


def _print_events(client: Client, vm: dict[str, Any], seen: int, seconds: float) -> int:
    events = _events(client, vm["id"], seen)
    for event in events:
        what = f"→ {status(event['to_status'])}" if event["to_status"] else escape(event["text"])
        out.print(f"[dim]{seconds:6.1f} s[/dim]  VM {vm['vmid']} on {vm['node']}  {what}")
    return len(events)
