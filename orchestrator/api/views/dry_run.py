"""What a request for a VM would come to."""

from dataclasses import asdict
from uuid import UUID

from pydantic import Field

from orchestrator.api.views.base import View
from orchestrator.api.views.explain import RemedyView
from orchestrator.errors import InvalidRequest, RequestRefused
from orchestrator.intake.admission import Admitted
from orchestrator.intake.preview import Accepted, Refused
from orchestrator.intake.request import VmRequest


class GpuPlaceView(View):
    """A GPU that the VM would have at once, and where it sits in the node."""

    numa_node: int
    pcie_root: str


class DisplacedView(View):
    """Interruptible VMs that would be given notice."""

    vms: int
    gpus: int
    notice_seconds: float
    own_vm_ids: list[UUID] = Field(description="those of your own among them; others are not named")


class PriceView(View):
    """By the hour, and at the start."""

    hourly_rate: float = Field(description="gpu_hourly_rate + storage_hourly_rate")
    gpu_hourly_rate: float
    storage_hourly_rate: float
    discount_percent: float = Field(description="of a reservation, off the GPUs' on-demand rate")
    deposit_required: float | None = Field(description="of a reservation, due at its start")

    @classmethod
    def of(cls, admitted: Admitted) -> "PriceView":
        price = admitted.price
        return cls(
            hourly_rate=float(price.hourly),
            gpu_hourly_rate=float(price.gpu_hourly),
            storage_hourly_rate=float(price.storage_hourly),
            discount_percent=float(price.discount_percent),
            deposit_required=None if admitted.deposit is None else float(admitted.deposit),
        )


class RefusalView(View):
    """The answer that the request would get."""

    status: int
    code: str
    detail: str
    field: str | None = Field(description="of the body, with 422")

    @classmethod
    def of(cls, refusal: RequestRefused) -> "RefusalView":
        field = refusal.field if isinstance(refusal, InvalidRequest) else None
        return cls(status=refusal.status, code=refusal.code, detail=refusal.detail, field=field)


class DryRunView(View):
    """What would happen now. Nothing was changed, and nothing is held: the next moment may be another."""

    admitted: bool
    cpu_cores: int | None
    ram_gb: int | None
    price: PriceView | None
    gpus: list[GpuPlaceView] = Field(description="what it would have at once")
    gpus_to_wait_for: int = Field(description="what would be reclaimed for it, or is on its way")
    place_in_line: int | None = Field(description="if it has to wait; counted from 1")
    displaced: DisplacedView | None
    earliest_start_in_seconds: int | None = Field(description="until it runs")
    estimate_basis: str | None = Field(description="what the estimate rests on, or why there is none")
    refusal: RefusalView | None
    would_admit_it: list[RemedyView] = Field(description="the cheapest change first")

    @classmethod
    def of(cls, seen: Accepted | Refused, request: VmRequest, *, notice_seconds: float) -> "DryRunView":
        if isinstance(seen, Refused):
            return cls.model_validate(
                dict.fromkeys(cls.model_fields)
                | {
                    "admitted": False,
                    "gpus": [],
                    "gpus_to_wait_for": 0,
                    "refusal": RefusalView.of(seen.refusal),
                    "would_admit_it": [asdict(one) for one in seen.remedies],
                }
            )
        displaced = seen.displaced
        return cls(
            admitted=True,
            cpu_cores=seen.admitted.cpu_cores,
            ram_gb=seen.admitted.ram_gb,
            price=PriceView.of(seen.admitted),
            gpus=[GpuPlaceView(numa_node=one.numa_node, pcie_root=one.pcie_root) for one in seen.cards],
            gpus_to_wait_for=request.gpu_count - len(seen.cards),
            place_in_line=seen.place,
            displaced=displaced
            and DisplacedView(
                vms=displaced.vms,
                gpus=displaced.gpus,
                notice_seconds=notice_seconds,
                own_vm_ids=list(displaced.own),
            ),
            earliest_start_in_seconds=None if seen.start.seconds is None else round(seen.start.seconds),
            estimate_basis=seen.start.basis,
            refusal=None,
            would_admit_it=[],
        )
