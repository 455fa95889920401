"""How the parts of a catalog have to fit together: one function a rule, each naming the field at fault."""

from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple

from orchestrator.catalog import address_rules
from orchestrator.catalog.document import Document
from orchestrator.catalog.positions import Path

SHOWN = 10
"""Known names in one text."""


class Problem(NamedTuple):
    """What is wrong, and where in the document."""

    path: Path
    text: str


def problems(document: Document) -> list[Problem]:
    """Everything that does not fit together."""
    return [Problem(path, text) for rule in RULES for path, text in rule(document)]


def _ids_are_unique(document: Document) -> Iterator[tuple[Path, str]]:
    parts: tuple[tuple[str, str, Iterable[Hashable]], ...] = (
        ("gpu_types", "id", [part.id for part in document.gpu_types]),
        ("clusters", "id", [part.id for part in document.clusters]),
        ("nodes", "id", [part.id for part in document.nodes]),
        ("templates", "vmid", [part.vmid for part in document.templates]),
    )
    for table, field, ids in parts:
        for number, first in _repeated(ids):
            yield (table, number, field), f"is the same as that of {table}[{first}]"


def _gpu_types_are_priced_sensibly(document: Document) -> Iterator[tuple[Path, str]]:
    for number, gpu_type in enumerate(document.gpu_types):
        if gpu_type.interruptible_hourly_rate > gpu_type.hourly_rate:
            yield (
                ("gpu_types", number, "interruptible_hourly_rate"),
                f"must not be more than hourly_rate, {gpu_type.hourly_rate}",
            )


def _clusters_are_whole(document: Document) -> Iterator[tuple[Path, str]]:
    for number, cluster in enumerate(document.clusters):
        if cluster.vmid_first > cluster.vmid_last:
            yield ("clusters", number, "vmid_last"), f"must be at least vmid_first, {cluster.vmid_first}"
        if "tls" in cluster.model_fields_set and not cluster.tls.model_fields_set:
            yield ("clusters", number, "tls"), "needs ca_file or fingerprint"
    doors = [
        (number, door, endpoint)
        for number, cluster in enumerate(document.clusters)
        for door, endpoint in enumerate(cluster.endpoints)
    ]
    for again, first in _repeated(endpoint for _, _, endpoint in doors):
        number, door, _ = doors[again]
        yield (
            ("clusters", number, "endpoints", door),
            f"is an endpoint of clusters[{doors[first][0]}] already: list a Proxmox VE cluster once",
        )


def _nodes_are_in_clusters(document: Document) -> Iterator[tuple[Path, str]]:
    known = [cluster.id for cluster in document.clusters]
    for number, node in enumerate(document.nodes):
        if node.cluster not in known:
            yield ("nodes", number, "cluster"), _unknown(node.cluster, "a cluster", known)
    for number, first in _repeated((node.cluster, node.host) for node in document.nodes):
        node = document.nodes[number]
        yield (
            ("nodes", number, "pve_name"),
            f"{node.host!r} of cluster {node.cluster} is nodes[{first}] already",
        )


def _something_remains_for_guests(document: Document) -> Iterator[tuple[Path, str]]:
    for number, node in enumerate(document.nodes):
        if node.reserved_cores >= node.cpu_cores:
            yield ("nodes", number, "cpu_cores"), f"must be more than reserved_cores, {node.reserved_cores}"
        if node.reserved_ram_gb >= node.ram_gb:
            yield ("nodes", number, "ram_gb"), f"must be more than reserved_ram_gb, {node.reserved_ram_gb}"


def _gpus_have_types_and_mappings(document: Document) -> Iterator[tuple[Path, str]]:
    known = [gpu_type.id for gpu_type in document.gpu_types]
    for number, node in enumerate(document.nodes):
        for slot, gpu in enumerate(node.gpus):
            if gpu.type not in known:
                yield ("nodes", number, "gpus", slot, "type"), _unknown(gpu.type, "a GPU type", known)
        for slot, first in _repeated(gpu.mapping for gpu in node.gpus):
            yield ("nodes", number, "gpus", slot, "mapping"), f"is the same as that of gpus[{first}]"


def _templates_have_copies(document: Document) -> Iterator[tuple[Path, str]]:
    known = [node.id for node in document.nodes]
    for number, template in enumerate(document.templates):
        for node_id in template.copies or ():
            if node_id not in known:
                yield ("templates", number, "copies", node_id), _unknown(node_id, "a node", known)
        for again, first in _repeated(template.auth_methods):
            yield ("templates", number, "auth_methods", again), f"is the same as auth_methods[{first}]"


def _template_vmids_are_possible(document: Document) -> Iterator[tuple[Path, str]]:
    """In PVE a VMID names one VM of the whole cluster, which is on one node."""
    nodes = {node.id: node for node in document.nodes}
    clusters = {cluster.id: cluster for cluster in document.clusters}
    seen: dict[tuple[str, int], tuple[int, str | None]] = {}
    for number, template in enumerate(document.templates):
        for node_id, copy in document.copies_of(template).items():
            path: Path = ("templates", number, "copies", node_id)
            cluster_id = nodes[node_id].cluster
            other, place = seen.setdefault((cluster_id, copy.vmid), (number, copy.pve_node))
            here = f"VMID {copy.vmid} of cluster {cluster_id}"
            if other != number:
                yield path, f"{here} is templates[{other}] already"
            elif place != copy.pve_node:
                yield (
                    path,
                    f"{here} cannot be both on {place} and on {copy.pve_node}: name each node's own copy",
                )
            cluster = clusters.get(cluster_id)
            if cluster is not None and cluster.vmid_first <= copy.vmid <= cluster.vmid_last:
                own = f"{cluster.vmid_first}–{cluster.vmid_last}"
                yield path, f"{here} is inside its range for new VMs, {own}: move the range or the template"


def _repeated(values: Iterable[Hashable]) -> Iterator[tuple[int, int]]:
    """(index, index of its first occurrence) of each value that was there before."""
    first: dict[Hashable, int] = {}
    for number, value in enumerate(values):
        if first.setdefault(value, number) != number:
            yield number, first[value]


def _unknown(value: str, what: str, known: list[str]) -> str:
    shown = ", ".join(known[:SHOWN]) + (", …" if len(known) > SHOWN else "")
    return f'"{value}" is not {what} of this catalog (known: {shown})'


RULES = (
    _ids_are_unique,
    _gpu_types_are_priced_sensibly,
    _clusters_are_whole,
    _nodes_are_in_clusters,
    _something_remains_for_guests,
    _gpus_have_types_and_mappings,
    _templates_have_copies,
    _template_vmids_are_possible,
    address_rules.modes_have_what_they_need,
    address_rules.static_addresses_fit_their_subnet,
    address_rules.pools_do_not_overlap,
)
