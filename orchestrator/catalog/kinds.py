"""The tables of the catalog, in the order of their dependence, and what may not change in each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.catalog import models, rows, usage
from orchestrator.catalog.document import Document
from orchestrator.catalog.rows import Row
from orchestrator.catalog.usage import EXISTS, IS_BEING_MADE, LIVES, WAS_EVER, Users, vms_by
from orchestrator.vms.models import Vm


@dataclass(frozen=True)
class Fixed:
    """A column that keeps its value while somebody depends on it; `otherwise` says what else can be done."""

    dependents: Users
    otherwise: str


@dataclass(frozen=True)
class Kind:
    """One table: its rows by `key`; `label` names one for people, `users` tells who uses which."""

    label: str
    model: type[Any]
    key: tuple[str, ...]
    wanted: Callable[[Document], list[Row]]
    users: Users = field(default=lambda _: {})
    fixed: Mapping[str, Fixed] = field(default_factory=dict)

    def name(self, row: Row) -> str:
        return self.label.format(**row)


_UNTIL_THEY_END = "wait until they are destroyed"
_LATER = "apply again in a few minutes"
_MADE_FROM = Fixed(vms_by(Vm.template_vmid, Vm.node_id, where=IS_BEING_MADE), _LATER)

TEMPLATE_COPIES = Kind(
    label="template {template_vmid} on node {node_id}",
    model=models.TemplateCopy,
    key=("template_vmid", "node_id"),
    wanted=rows.template_copies,
    users=vms_by(Vm.template_vmid, Vm.node_id, where=EXISTS),
    fixed={"pve_vmid": _MADE_FROM, "pve_node": _MADE_FROM},
)

KINDS = (
    Kind(
        label="cluster {id}",
        model=models.Cluster,
        key=("id",),
        wanted=rows.clusters,
        users=vms_by(Vm.cluster_id, where=LIVES),
    ),
    Kind(
        label="gpu_type {id}",
        model=models.GpuType,
        key=("id",),
        wanted=rows.gpu_types,
        users=vms_by(Vm.gpu_type, where=LIVES),
    ),
    Kind(
        label="node {id}",
        model=models.Node,
        key=("id",),
        wanted=rows.nodes,
        users=vms_by(Vm.node_id, where=LIVES),
        fixed={
            "cluster_id": Fixed(vms_by(Vm.node_id, where=WAS_EVER), "give the node another id"),
            "pve_name": Fixed(vms_by(Vm.node_id, where=LIVES), _UNTIL_THEY_END),
            "ssh_port": Fixed(vms_by(Vm.node_id, where=LIVES), _UNTIL_THEY_END),
        },
    ),
    Kind(
        label="gpu {mapping} of node {node_id}",
        model=models.Gpu,
        key=("node_id", "mapping"),
        wanted=rows.gpus,
        users=usage.holders_of_gpus,
        fixed={"gpu_type": Fixed(usage.past_holders_of_gpus, "give the new card another mapping")},
    ),
    Kind(
        label="template {vmid}",
        model=models.Template,
        key=("vmid",),
        wanted=rows.templates,
        users=vms_by(Vm.template_vmid, where=LIVES),
        fixed={"disk": Fixed(vms_by(Vm.template_vmid, where=LIVES), "list the new image under another vmid")},
    ),
    TEMPLATE_COPIES,
    Kind(
        label="addresses of node {node_id}",
        model=models.Address,
        key=("node_id", "address"),
        wanted=rows.addresses,
        users=usage.holders_of_addresses,
    ),
    Kind(label="prices", model=models.PriceList, key=("id",), wanted=rows.price_list),
)

FIELDS = {
    "cluster_id": "cluster",
    "token_source": "token",
    "ca_file": "tls.ca_file",
    "fingerprint": "tls.fingerprint",
    "gpu_type": "type",
    "address_mode": "addresses.mode",
    "subnets": "addresses.subnets",
    "gateway": "addresses.gateway",
    "prefix_length": "prefix length of addresses.subnets",
    "pve_vmid": "VMID",
    "discount_1": "discounts.1",
    "discount_3": "discounts.3",
    "discount_6": "discounts.6",
}
"""What a column is called in the file, where the names differ."""
