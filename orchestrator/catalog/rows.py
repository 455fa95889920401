"""The rows that a catalog document stands for, by table: pure. Keys are the columns of `models`."""

from typing import Any

from orchestrator.catalog.document import Document

Row = dict[str, Any]


def clusters(document: Document) -> list[Row]:
    return [
        {
            "id": cluster.id,
            "endpoints": cluster.endpoints,
            "token_id": cluster.token_id,
            "token_source": cluster.token,
            "ca_file": cluster.tls.ca_file,
            "fingerprint": cluster.tls.fingerprint,
            "pool": cluster.pool,
            "vmid_first": cluster.vmid_first,
            "vmid_last": cluster.vmid_last,
        }
        for cluster in document.clusters
    ]


def gpu_types(document: Document) -> list[Row]:
    return [gpu_type.model_dump() for gpu_type in document.gpu_types]


def nodes(document: Document) -> list[Row]:
    return [
        {
            **node.model_dump(exclude={"cluster", "addresses", "gpus"}),
            "cluster_id": node.cluster,
            "pve_name": node.host,
            "address_mode": node.addresses.mode,
            "subnets": node.addresses.subnets,
            "gateway": node.addresses.gateway,
            "prefix_length": node.addresses.prefix_length,
        }
        for node in document.nodes
    ]


def gpus(document: Document) -> list[Row]:
    return [
        {
            "node_id": node.id,
            "mapping": gpu.mapping,
            "gpu_type": gpu.type,
            "numa_node": gpu.numa_node,
            "pcie_root": gpu.pcie_root,
        }
        for node in document.nodes
        for gpu in node.gpus
    ]


def templates(document: Document) -> list[Row]:
    return [template.model_dump(exclude={"copies"}) for template in document.templates]


def template_copies(document: Document) -> list[Row]:
    return [
        {
            "template_vmid": template.vmid,
            "node_id": node_id,
            "pve_vmid": copy.vmid,
            "pve_node": copy.pve_node,
        }
        for template in document.templates
        for node_id, copy in document.copies_of(template).items()
    ]


def addresses(document: Document) -> list[Row]:
    return [
        {"node_id": node.id, "address": str(address)}
        for node in document.nodes
        for address in node.addresses.members()
    ]


def price_list(document: Document) -> list[Row]:
    prices = document.prices
    return [
        {
            "id": 1,
            "currency": prices.currency,
            "storage_gb_hour": prices.storage_gb_hour,
            "discount_1": prices.discounts.month_1,
            "discount_3": prices.discounts.month_3,
            "discount_6": prices.discounts.month_6,
            "deposit_percent": prices.deposit_percent,
            "cancellation_percent": prices.cancellation_percent,
        }
    ]
