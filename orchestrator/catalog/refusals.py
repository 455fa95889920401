"""Changes of the catalog that would break living VMs: each is refused, in words that name the VMs."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, ip_network

from sqlalchemy import func, select

from orchestrator.catalog.comparison import Comparison, as_row, change_text, key_of
from orchestrator.catalog.models import Address, Cluster, Node, Template, TemplateCopy
from orchestrator.catalog.rows import Row
from orchestrator.catalog.usage import names
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm, Vmid

Compared = Mapping[type, Comparison]
"""By model."""


def refusals(tx: Transaction, compared: Compared) -> list[str]:
    """All changes that may not be made now."""
    found = [text for comparison in compared.values() for text in _fixed_values(tx, comparison)]
    return found + [text for rule in RULES for text in rule(tx, compared)]


def _fixed_values(tx: Transaction, comparison: Comparison) -> Iterator[str]:
    kind = comparison.kind
    for present, wanted, column in comparison.changes():
        if column in kind.fixed:
            rule = kind.fixed[column]
            users = rule.dependents(tx).get(key_of(kind, present), [])
            if users:
                change = change_text(present, wanted, column)
                yield f"{kind.name(wanted)}: {change} would break {names(users)}: {rule.otherwise}."


def _clusters_keep_their_id(tx: Transaction, compared: Compared) -> Iterator[str]:
    """One PVE cluster under two ids would have its GPUs twice."""
    comparison = compared[Cluster]
    users = comparison.kind.users(tx)
    for gone in comparison.missing:
        for row in comparison.new:
            living = users.get((gone.id,))
            if living and not set(row["endpoints"]).isdisjoint(gone.endpoints):
                yield f"cluster {row['id']}: is cluster {gone.id}, of {names(living)}: keep that id."


def _machines_keep_their_id(_: Transaction, compared: Compared) -> Iterator[str]:
    """One machine under two ids would have its GPUs twice."""
    comparison = compared[Node]
    rows = [present for present, _ in comparison.both] + comparison.missing
    recorded = {(node.cluster_id, node.pve_name): node.id for node in rows}
    for row in comparison.wanted():
        earlier = recorded.get((row["cluster_id"], row["pve_name"]), row["id"])
        if earlier != row["id"]:
            machine = f"{row['pve_name']} of cluster {row['cluster_id']}"
            yield f"node {row['id']}: {machine} is recorded as node {earlier}: list it under that id."


def _numbers_remain(tx: Transaction, compared: Compared) -> Iterator[str]:
    for cluster, wanted in compared[Cluster].both:
        if next_vmid(tx, cluster, wanted) is None:
            span = f"{wanted['vmid_first']} to {wanted['vmid_last']}"
            yield (
                f"cluster {cluster.id}: VMIDs {span} are all given out, and none is given out twice: "
                f"let vmid_last be at least {cluster.vmid_next}."
            )


def next_vmid(tx: Transaction, cluster: Cluster, wanted: Row) -> int | None:
    """The number to go on with in the wanted range: the present one, else the first that never was given out.

    None when the range has no such number.
    """
    first, last = wanted["vmid_first"], wanted["vmid_last"]
    if first <= cluster.vmid_next <= last + 1:
        return cluster.vmid_next
    highest = tx.scalar(
        select(func.max(Vmid.vmid)).where(Vmid.cluster_id == cluster.id, Vmid.vmid.between(first, last))
    )
    free: int = first if highest is None else highest + 1
    return free if free <= last else None


def _held_addresses_stay(tx: Transaction, compared: Compared) -> Iterator[str]:
    """A VM gets its static address again at each start, with the prefix and gateway of its node."""
    held = tx.execute(select(Address.node_id, Address.address, Vm).join(Vm, Vm.id == Address.vm_id)).all()
    wanted = {node.id: row for node, row in compared[Node].both}
    clusters = {row["id"]: row["cluster_id"] for row in compared[Node].wanted()}
    pools = {(clusters[row["node_id"]], row["address"]): row["node_id"] for row in compared[Address].wanted()}
    for node_id, address, vm in held:
        holder = f"which VM {vm.id} (VMID {vm.vmid}, {vm.status}) of node {node_id} holds."
        if node_id in wanted and not _keeps(wanted[node_id], address):
            yield f"node {node_id}: addresses must stay static, in a subnet with {address}, {holder}"
        other = pools.get((vm.cluster_id, address), node_id)
        if other != node_id:
            yield f"node {other}: addresses.pool may not have {address}, {holder}"


def _keeps(node: Row, address: str) -> bool:
    """Whether the address stays possible for a guest of the wanted node."""
    if node["address_mode"] != "static" or address == node["gateway"]:
        return False
    return IPv4Address(address) in ip_network(node["subnets"][0])


def _used_copies_stay(tx: Transaction, compared: Compared) -> Iterator[str]:
    comparison = compared[TemplateCopy]
    for copy in dropped_copies(compared):
        users = comparison.kind.users(tx).get(key_of(comparison.kind, copy), [])
        if users:
            name = comparison.kind.name(as_row(comparison.kind, copy))
            yield f"{name}: is in use by {names(users)}: keep it in copies until they are destroyed."


def dropped_copies(compared: Compared) -> list[TemplateCopy]:
    """Copies that the file has no more though it has both their template and their node."""
    templates = {template.vmid for template, _ in compared[Template].both}
    nodes = {node.id for node, _ in compared[Node].both}
    return [
        copy
        for copy in compared[TemplateCopy].missing
        if copy.template_vmid in templates and copy.node_id in nodes
    ]


RULES = (
    _clusters_keep_their_id,
    _machines_keep_their_id,
    _numbers_remain,
    _held_addresses_stay,
    _used_copies_stay,
)
