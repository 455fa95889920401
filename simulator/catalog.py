"""What a cluster offers, as plain data for those who rent it out."""

from typing import Any

from simulator.config import SimConfig
from simulator.guests.images import IMAGES


def catalog(config: SimConfig) -> dict[str, Any]:
    """Nodes with their cards (by mapping), templates, storages and the pool to put VMs into."""
    return {
        "cluster": config.cluster,
        "pool": config.pool,
        "guest_network": config.guest_network,
        "storages": [
            {"name": s.name, "kind": s.kind, "size_gb": s.size_gb, "content": s.content, "shared": s.shared}
            for s in config.storages
        ],
        "nodes": [
            {
                "name": node.name,
                "address": node.address,
                "cores": node.cores,
                "ram_gib": node.ram_gib,
                "bridges": list(node.bridges),
                "gpus": [
                    {
                        "slot": slot,
                        "model": gpu.model,
                        "mapping": gpu.mapping,
                        "address": gpu.address,
                        "numa_node": gpu.numa_node,
                        "iommu_group": gpu.iommu_group,
                    }
                    for slot, gpu in enumerate(node.gpus)
                ],
                "templates": [
                    {
                        "vmid": template.vmid,
                        "name": template.name,
                        "image": template.image,
                        "default_user": IMAGES[template.image].default_user,
                        "disk_gib": template.disk_gib,
                        "storage": template.storage,
                        "password_login": template.password_login,
                    }
                    for template in node.templates
                ],
            }
            for node in config.nodes
        ],
    }
