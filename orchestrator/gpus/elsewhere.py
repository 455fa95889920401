"""Where else a new VM would be admitted at once."""

from sqlalchemy import or_, select

from orchestrator.catalog.models import Address, Node, TemplateCopy
from orchestrator.gpus.fleet import fleet
from orchestrator.policy.restore import admits_new
from orchestrator.policy.rules import Rules
from orchestrator.store.database import Transaction

Elsewhere = tuple[str, int]
"""A node, and how many GPUs of the type are free there."""


def elsewhere(
    tx: Transaction,
    *,
    gpu_type: str,
    gpu_count: int,
    template_vmid: int,
    besides: str,
    rules: Rules | None = None,
) -> list[Elsewhere]:
    """Other nodes with the template, an address and all the GPUs free, the tightest fit first.

    With `rules` it is for an interruptible VM, which leaves their headroom free.
    """
    seen = fleet(tx, gpu_type)
    has_address = select(Address.address).where(
        Address.node_id == Node.id, Address.vm_id.is_(None), Address.retired_at.is_(None)
    )
    fit_for_it = tx.scalars(
        select(Node.id)
        .join(TemplateCopy, TemplateCopy.node_id == Node.id)
        .where(
            TemplateCopy.template_vmid == template_vmid,
            Node.id != besides,
            or_(Node.address_mode == "dhcp", has_address.exists()),
        )
    )
    free = [(node, seen.free.get(node, 0)) for node in fit_for_it]
    return sorted(
        (
            (node, count)
            for node, count in free
            if count >= gpu_count and (rules is None or admits_new(seen, node, gpu_count, rules))
        ),
        key=lambda one: (one[1], one[0]),
    )
