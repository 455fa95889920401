"""VMs, their time line and what they wait for."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from orchestrator.api.views.base import Utc, View
from orchestrator.api.vm_reads import UnderWay
from orchestrator.catalog.models import Node
from orchestrator.intake.request import RentalType
from orchestrator.vms.models import Vm
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import Status


class VmView(View):
    """The VM object."""

    id: UUID
    vmid: int
    user_id: int
    node: str
    instance_label: str | None
    gpu_type: str
    gpu_count: int
    storage_gb: int
    ram_gb: int
    cpu_cores: int
    ip_address: str | None
    status: Status
    created_at: Utc
    started_at: Utc | None
    stopped_at: Utc | None
    rental_type: RentalType
    reservation_id: str | None
    auto_restart: bool | None
    hourly_rate: float = Field(description="gpu_hourly_rate + storage_hourly_rate")
    gpu_hourly_rate: float
    storage_hourly_rate: float
    cpu_percent: float
    ram_percent: float
    cpu_model: str | None
    pcie_gen: str | None
    login_user: str = Field(description="whom to log in as")
    ssh_port: int
    ssh_host_key_fingerprint: str | None = Field(
        description="compare it at the first login; null until it runs"
    )
    failure_reason: str | None = Field(description="set when status is failed")

    @classmethod
    def of(cls, vm: Vm, node: Node) -> "VmView":
        return cls(
            id=vm.id,
            vmid=vm.vmid,
            user_id=vm.user_id,
            node=vm.node_id,
            instance_label=vm.instance_label,
            gpu_type=vm.gpu_type,
            gpu_count=vm.gpu_count,
            storage_gb=vm.storage_gb,
            ram_gb=vm.ram_gb,
            cpu_cores=vm.cpu_cores,
            ip_address=vm.ip_address,
            status=Status(vm.status),
            created_at=vm.created_at,
            started_at=vm.started_at,
            stopped_at=vm.stopped_at,
            rental_type=RentalType(vm.rental_type),
            reservation_id=vm.reservation_id and str(vm.reservation_id),
            auto_restart=vm.auto_restart,
            hourly_rate=float(vm.gpu_hourly_rate + vm.storage_hourly_rate),
            gpu_hourly_rate=float(vm.gpu_hourly_rate),
            storage_hourly_rate=float(vm.storage_hourly_rate),
            cpu_percent=vm.cpu_percent,
            ram_percent=vm.ram_percent,
            cpu_model=node.cpu_model,
            pcie_gen=node.pcie_gen,
            login_user=vm.login_user,
            ssh_port=node.ssh_port,
            ssh_host_key_fingerprint=vm.ssh_host_key_fingerprint,
            failure_reason=vm.failure_reason if vm.status == Status.FAILED else None,
        )


class EventView(View):
    """One line of a VM's time line."""

    at: Utc
    kind: Literal["status", "step", "note"]
    actor: str
    step: str | None
    attempt: int | None
    from_status: Status | None
    to_status: Status | None
    text: str


class ExplainView(View):
    """What a VM waits for. All but `status` is null when it needs nothing."""

    status: Status
    waits_for: str | None = Field(description="in one sentence")
    operation: Kind | None
    step: Step | None
    attempt: int | None = Field(description="starts of this step so far")
    state: Literal["open", "parked"] | None
    parked_for: Literal["capacity", "node", "operator"] | None
    since: Utc | None
    last_error: str | None
    next_try_at: Utc | None = Field(description="at the latest; null: it is under way or due")

    @classmethod
    def of(cls, vm: Vm, work: UnderWay | None, waits_for: str | None) -> "ExplainView":
        if work is None:
            return cls.model_validate({**dict.fromkeys(cls.model_fields), "status": vm.status})
        operation = work.operation
        return cls.model_validate(
            {
                "status": vm.status,
                "waits_for": waits_for,
                "operation": operation.kind,
                "step": operation.step,
                "attempt": operation.attempt,
                "state": operation.state,
                "parked_for": operation.parked_for,
                "since": work.since,
                "last_error": operation.last_error,
                "next_try_at": None if work.leased or work.due else operation.not_before,
            }
        )
