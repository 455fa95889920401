"""VMs and their time line."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from orchestrator.api.views.base import Utc, View
from orchestrator.catalog.models import Node
from orchestrator.intake.request import RentalType
from orchestrator.vms.models import Interruption, Vm
from orchestrator.vms.statuses import Status

TELL_FAILURE = frozenset({Status.FAILED, Status.STOPPED, Status.INTERRUPTED})
"""Where what was given up is undone; before that it is still going on."""


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
    interrupts_at: Utc | None = Field(
        description="set while it runs and is to be interrupted: when its shutdown begins"
    )
    failure_reason: str | None = Field(
        description="set when status is failed, and of a VM that is off because its start was given up"
    )

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
            interrupts_at=None if vm.announced is None else vm.announced.notice_until,
            failure_reason=vm.failure_reason if vm.status in TELL_FAILURE else None,
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


class InterruptionView(View):
    """One interruption of a VM."""

    id: UUID
    interruptible_vm_id: UUID
    preempted_by_vm_id: UUID | None = Field(
        description="the VM that took its GPUs; null when its node was drained or rebooted"
    )
    preempted_at: Utc
    restored_at: Utc | None
    downtime_seconds: float | None = Field(description="until it ran again; null if it did not")
    status: Literal["interrupted", "restored", "cancelled"] = Field(
        description="cancelled: it was stopped or destroyed instead of coming back"
    )

    @classmethod
    def of(cls, record: Interruption) -> "InterruptionView":
        restored_at = record.ended_at if record.state == "restored" else None
        down = None
        if record.interrupted_at is not None and restored_at is not None:
            down = (restored_at - record.interrupted_at).total_seconds()
        return cls.model_validate(
            {
                "id": record.id,
                "interruptible_vm_id": record.vm_id,
                "preempted_by_vm_id": record.displaced_by,
                "preempted_at": record.interrupted_at,
                "restored_at": restored_at,
                "downtime_seconds": down,
                "status": record.state,
            }
        )
