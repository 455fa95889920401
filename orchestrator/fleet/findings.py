"""Findings: written again while they are seen, closed when they are gone."""

from collections import Counter
from collections.abc import Collection, Iterable

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from orchestrator.catalog.models import Node
from orchestrator.fleet.comparison import Found
from orchestrator.fleet.models import Finding
from orchestrator.store.database import Transaction
from orchestrator.vms.operations import CLOCK


def record(tx: Transaction, cluster_id: str, found: Iterable[Found], *, unread: Collection[str] = ()) -> None:
    """Write what was found of a cluster. What was found before and is not now is gone, unless it is about a
    node that could not be read (`unread`: names of the hypervisor)."""
    nodes = {
        name: node_id
        for node_id, name in tx.execute(select(Node.id, Node.pve_name).where(Node.cluster_id == cluster_id))
    }
    seen = {each.key: each for each in found}
    for each in seen.values():
        _write(tx, cluster_id, each, nodes.get(each.node or ""))
    blind = [nodes[name] for name in unread if name in nodes]
    tx.execute(
        update(Finding)
        .where(
            Finding.cluster_id == cluster_id,
            Finding.gone_at.is_(None),
            Finding.key.not_in(seen),
            or_(Finding.node_id.is_(None), Finding.node_id.not_in(blind)),
        )
        .values(gone_at=CLOCK)
    )


def _write(tx: Transaction, cluster_id: str, found: Found, node_id: str | None) -> None:
    present = {"text": found.text, "command": found.command, "node_id": node_id, "vm_id": found.vm_id}
    tx.execute(
        insert(Finding)
        .values(cluster_id=cluster_id, key=found.key, kind=found.kind.value, vmid=found.vmid, **present)
        .on_conflict_do_update(
            index_elements=[Finding.cluster_id, Finding.key],
            index_where=text("gone_at IS NULL"),
            set_={**present, "last_seen_at": CLOCK},
        )
    )


def present(tx: Transaction) -> list[Finding]:
    """All that are not gone, the oldest first."""
    return list(
        tx.scalars(
            select(Finding).where(Finding.gone_at.is_(None)).order_by(Finding.first_seen_at, Finding.id)
        )
    )


def counts(tx: Transaction) -> Counter[str]:
    """Findings that are not gone, by kind."""
    rows = tx.execute(
        select(Finding.kind, func.count()).where(Finding.gone_at.is_(None)).group_by(Finding.kind)
    )
    return Counter(dict(rows.all()))
