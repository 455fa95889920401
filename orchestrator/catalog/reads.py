"""What the catalog offers: what has not been retired, whether or not it is free."""

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import func, select

from orchestrator.catalog.models import Gpu, GpuType, Node, PriceList, Template, TemplateCopy
from orchestrator.errors import NotReady
from orchestrator.store.database import Transaction


@dataclass(frozen=True)
class OfferedTemplate:
    """A template and the ids of the nodes that have it, in order."""

    template: Template
    nodes: tuple[str, ...]


def node(tx: Transaction, node_id: str) -> Node | None:
    """The node, also while it is being drained (`state`); None when it is not offered."""
    return tx.scalar(select(Node).where(Node.id == node_id, Node.retired_at.is_(None)))


def state(node: Node) -> str:
    """What a node is doing: `offline` when it does not answer, else `active` or `draining`."""
    return "offline" if node.offline_since is not None else node.state


def nodes(tx: Transaction) -> list[Node]:
    """All nodes by id, also those being drained."""
    return list(tx.scalars(select(Node).where(Node.retired_at.is_(None)).order_by(Node.id)))


def gpu_counts(tx: Transaction) -> Counter[tuple[str, str]]:
    """GPUs by (node id, GPU type), quarantined and rented ones as well."""
    rows = tx.execute(
        select(Gpu.node_id, Gpu.gpu_type, func.count())
        .where(Gpu.retired_at.is_(None))
        .group_by(Gpu.node_id, Gpu.gpu_type)
    )
    return Counter({(node_id, gpu_type): count for node_id, gpu_type, count in rows})


def gpu_types(tx: Transaction) -> list[GpuType]:
    """All GPU types by id."""
    return list(tx.scalars(select(GpuType).where(GpuType.retired_at.is_(None)).order_by(GpuType.id)))


def templates(tx: Transaction) -> list[OfferedTemplate]:
    """All templates by VMID, with their nodes."""
    places: dict[int, list[str]] = {}
    copies = (
        select(TemplateCopy.template_vmid, TemplateCopy.node_id)
        .join(Node, Node.id == TemplateCopy.node_id)
        .where(Node.retired_at.is_(None))
        .order_by(TemplateCopy.node_id)
    )
    for vmid, node_id in tx.execute(copies):
        places.setdefault(vmid, []).append(node_id)
    offered = tx.scalars(select(Template).where(Template.retired_at.is_(None)).order_by(Template.vmid))
    return [OfferedTemplate(template, tuple(places.get(template.vmid, ()))) for template in offered]


def template_on(tx: Transaction, vmid: int, node_id: str) -> Template | None:
    """The template, if it is offered on that node."""
    return tx.scalar(
        select(Template)
        .join(TemplateCopy, TemplateCopy.template_vmid == Template.vmid)
        .join(Node, Node.id == TemplateCopy.node_id)
        .where(
            Template.vmid == vmid,
            Template.retired_at.is_(None),
            TemplateCopy.node_id == node_id,
            Node.retired_at.is_(None),
        )
    )


def price_list(tx: Transaction) -> PriceList:
    """Prices and discounts for all GPU types. Raises NotReady before the first application of a catalog."""
    prices = tx.get(PriceList, 1)
    if prices is None:
        raise NotReady("The catalog has not been applied yet; an operator runs `innkeeper catalog apply`.")
    return prices
