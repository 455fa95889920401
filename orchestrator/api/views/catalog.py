"""What may be asked for, what is free, and what it costs."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from orchestrator.api.views.base import View
from orchestrator.catalog.models import GpuType, Node, PriceList
from orchestrator.catalog.reads import OfferedTemplate, state

AuthMethod = Literal["ssh_key", "password"]
Counts = Counter[tuple[str, str]]
"""GPUs by (node, GPU type)."""


class TemplateView(View):
    """A template to clone."""

    template_vmid: int
    name: str
    description: str
    min_storage_gb: int
    login_user: str
    auth_methods: list[AuthMethod]
    nodes: list[str]

    @classmethod
    def of(cls, offered: OfferedTemplate) -> "TemplateView":
        template = offered.template
        return cls.model_validate(
            {
                "template_vmid": template.vmid,
                "name": template.name,
                "description": template.description,
                "min_storage_gb": template.disk_gb,
                "login_user": template.login_user,
                "auth_methods": template.auth_methods,
                "nodes": list(offered.nodes),
            }
        )


class NodeGpus(View):
    """The GPUs of one type on a node."""

    gpu_type: str
    total: int
    free: int


class NodeView(View):
    """A node."""

    node: str
    state: Literal["active", "draining", "offline"]
    cpu_model: str | None
    pcie_gen: str | None
    cpu_cores: int
    ram_gb: int
    gpus: list[NodeGpus]

    @classmethod
    def of(cls, node: Node, total: Counts, free: Counts) -> "NodeView":
        held = sorted((kind, count) for (node_id, kind), count in total.items() if node_id == node.id)
        return cls.model_validate(
            {
                "node": node.id,
                "state": state(node),
                "cpu_model": node.cpu_model,
                "pcie_gen": node.pcie_gen,
                "cpu_cores": node.cpu_cores,
                "ram_gb": node.ram_gb,
                "gpus": [
                    NodeGpus(gpu_type=kind, total=count, free=free[node.id, kind]) for kind, count in held
                ],
            }
        )


class OfferView(View):
    """GPUs of one type on one node, as they are now."""

    node: str
    gpu_type: str
    gpu_count: int = Field(description="free now")
    gpu_ram_mb: int = Field(description="memory of one GPU")
    gpu_price_hourly: float = Field(description="of one GPU, on demand")
    interruptible_rate: float = Field(description="of one GPU, interruptible, per hour")
    available: bool
    location: str | None

    @classmethod
    def of(cls, node: Node, kind: GpuType, free: int) -> "OfferView":
        return cls(
            node=node.id,
            gpu_type=kind.id,
            gpu_count=free,
            gpu_ram_mb=kind.vram_gb * 1024,
            gpu_price_hourly=float(kind.hourly_rate),
            interruptible_rate=float(kind.interruptible_hourly_rate),
            available=free > 0 and state(node) == "active",
            location=None,
        )


class PricingView(View):
    """Prices of one GPU and hour, and what else has a price."""

    currency: str
    gpus: dict[str, float] = Field(description="on demand", examples=[{"5090": 0.69}])
    interruptible: dict[str, float]
    storage_gb_hourly: float
    reservation_discount_percent: dict[str, float] = Field(
        description="by months", examples=[{"1": 5.0, "3": 10.0, "6": 20.0}]
    )
    deposit_percent: float = Field(description="of a reservation's whole price, due at its start")
    cancellation_percent: float

    @classmethod
    def of(cls, prices: PriceList, gpu_types: Sequence[GpuType]) -> "PricingView":
        discounts = {"1": prices.discount_1, "3": prices.discount_3, "6": prices.discount_6}
        return cls(
            currency=prices.currency,
            gpus={kind.id: float(kind.hourly_rate) for kind in gpu_types},
            interruptible={kind.id: float(kind.interruptible_hourly_rate) for kind in gpu_types},
            storage_gb_hourly=float(prices.storage_gb_hour),
            reservation_discount_percent={months: float(percent) for months, percent in discounts.items()},
            deposit_percent=float(prices.deposit_percent),
            cancellation_percent=float(prices.cancellation_percent),
        )
