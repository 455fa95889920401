"""Parsing GET /cluster/resources: nodes and VMs of a cluster in one cheap answer (PVE 9.2)."""

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.fleet.sightings import GuestSeen, NodeSeen, Snapshot
from workers.proxmox.properties import is_true


def parse_resources(data: Any) -> Snapshot:
    """The nodes and VMs; containers and what is neither are left out.

    A node whose status is not `online` counts as down: `offline` by membership, `unknown` when it does not
    broadcast. Uptimes need Sys.Audit on the node.
    """
    return Snapshot(
        nodes={row["node"]: _node(row) for row in data if row["type"] == "node"},
        guests={int(row["vmid"]): _guest(row) for row in data if row["type"] == "qemu"},
    )


def _node(row: Mapping[str, Any]) -> NodeSeen:
    uptime = row.get("uptime")
    return NodeSeen(online=row["status"] == "online", uptime_seconds=None if uptime is None else int(uptime))


def _guest(row: Mapping[str, Any]) -> GuestSeen:
    total = float(row.get("maxmem") or 0)
    return GuestSeen(
        vmid=int(row["vmid"]),
        node=row["node"],
        name=row.get("name") or "",
        status=row["status"],
        cpu=min(1.0, float(row.get("cpu") or 0)),
        memory=min(1.0, float(row.get("mem") or 0) / total) if total else 0.0,
        template=is_true(row.get("template")),
        lock=row.get("lock"),
        tags=tuple(re.findall(r"[^;, ]+", row.get("tags") or "")),
        pool=row.get("pool"),
    )
