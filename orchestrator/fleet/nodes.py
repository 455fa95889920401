"""Nodes seen and missed: when one counts as offline, when it is back, and how its reboot is noticed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from orchestrator.catalog.models import Node
from orchestrator.fleet.sightings import NodeSeen, Snapshot
from orchestrator.store.database import Transaction
from orchestrator.vms import waking

UPTIME_SLACK = 30
"""Seconds by which a later look may show less uptime without a reboot: looks may be applied out of order."""


@dataclass(frozen=True)
class Patience:
    """A node is offline after so many misses in a row, the first of them so long ago. `broadcast_seconds`:
    how old what the listing shows may be."""

    misses: int = 3
    seconds: float = 30
    broadcast_seconds: float = 15


def look_at_nodes(tx: Transaction, cluster_id: str, snapshot: Snapshot | None, patience: Patience) -> None:
    """Note which nodes of a cluster are up; None: nothing of it answers.

    What waited for a node that is back goes on. Rows in other hands are left for the next look.
    """
    rows = select(Node).where(Node.cluster_id == cluster_id).order_by(Node.id)
    nodes = tx.scalars(rows.with_for_update(key_share=True, skip_locked=True)).all()
    now = tx.scalars(select(func.clock_timestamp())).one()
    for node in nodes:
        seen = snapshot.nodes.get(node.pve_name) if snapshot else None
        if seen is not None and seen.online:
            _is_up(tx, node, seen, now)
        else:
            _is_missed(node, patience, now)
    tx.flush()


def _is_up(tx: Transaction, node: Node, seen: NodeSeen, now: datetime) -> None:
    uptime, before = seen.uptime_seconds, node.uptime_seconds
    if uptime is not None:
        if before is not None and uptime < before - UPTIME_SLACK:
            booted = now - timedelta(seconds=uptime)
            node.rebooted_at = max(booted, node.seen_at or booted)  # it ran when it was seen last
        node.uptime_seconds = uptime
    back = node.offline_since is not None
    node.seen_at, node.misses, node.missed_since, node.offline_since = now, 0, None, None
    if back:
        waking.wake_parked(tx, node_id=node.id, wanted="node")


def _is_missed(node: Node, patience: Patience, now: datetime) -> None:
    node.misses += 1
    node.missed_since = node.missed_since or now
    late = now - node.missed_since >= timedelta(seconds=patience.seconds)
    if late and node.misses >= patience.misses:
        node.offline_since = node.offline_since or now
