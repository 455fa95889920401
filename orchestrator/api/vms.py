"""/vms"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Header, Query, Response
from fastapi.responses import JSONResponse

from orchestrator.api import vm_reads
from orchestrator.api.access import Changer, Reader
from orchestrator.api.dry_run import dry_run as preview
from orchestrator.api.services import Db, Parts
from orchestrator.api.views.dry_run import DryRunView
from orchestrator.api.views.errors import CHANGE, READ, errors
from orchestrator.api.views.vms import EventView, VmView
from orchestrator.intake.request import Name, RentalType, VmRequest
from orchestrator.vms.statuses import Status

router = APIRouter(prefix="/vms", tags=["VMs"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x20-\x7e]+$",
        description="The same key and body within 24 h give the same VM: repeat a cut-off POST with it.",
    ),
]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1)]
EXAMPLE = {
    "node": "vm01",
    "gpu_type": "5090",
    "gpu_count": 1,
    "storage_gb": 100,
    "template_vmid": 100,
    "rental_type": "on_demand",
}
DRY_RUN: dict[str, Any] = {"model": DryRunView, "description": "with dry_run: nothing was rented"}
LOCATION = {"Location": {"description": "path of the VM", "schema": {"type": "string"}}}


@router.post(
    "",
    status_code=201,
    response_model=VmView,
    responses=CHANGE | errors(400, 409) | {200: DRY_RUN, 201: {"headers": LOCATION}},
    summary="Rent a VM",
)
def create(
    parts: Parts,
    caller: Changer,
    request: Annotated[VmRequest, Body(openapi_examples={"one GPU": {"value": EXAMPLE}})],
    response: Response,
    idempotency_key: IdempotencyKey = None,
    dry_run: Annotated[
        bool, Query(description="only say what would happen; the Idempotency-Key does not matter then")
    ] = False,
) -> VmView | JSONResponse:
    if dry_run:
        return preview(parts, caller, request)
    submitted = parts.intake.submit(caller.user_id, request, idempotency_key=idempotency_key)
    with parts.database.transaction() as tx:
        vm, node = vm_reads.one(tx, caller.user_id, submitted.vm.id)
    response.headers["Location"] = f"/vms/{vm.id}"
    return VmView.of(vm, node)


@router.get("", responses=READ, summary="List your VMs, the newest first")
def list_all(
    database: Db,
    caller: Reader,
    status: Annotated[
        Status | None, Query(description="destroyed VMs are listed only when asked for")
    ] = None,
    node: Annotated[Name | None, Query()] = None,
    rental_type: Annotated[RentalType | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Offset = 0,
) -> list[VmView]:
    part = vm_reads.Page(limit, offset)
    with database.transaction() as tx:
        found = vm_reads.page(tx, caller.user_id, part, status=status, node=node, rental_type=rental_type)
    return [VmView.of(vm, its_node) for vm, its_node in found]


@router.get("/{vm_id}", responses=READ | errors(404), summary="One VM")
def get(vm_id: UUID, database: Db, caller: Reader) -> VmView:
    with database.transaction() as tx:
        return VmView.of(*vm_reads.one(tx, caller.user_id, vm_id))


@router.get("/{vm_id}/events", responses=READ | errors(404), summary="What happened to it, the oldest first")
def events(
    vm_id: UUID,
    database: Db,
    caller: Reader,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    offset: Offset = 0,
) -> list[EventView]:
    with database.transaction() as tx:
        vm, _ = vm_reads.one(tx, caller.user_id, vm_id)
        lines = vm_reads.time_line(tx, vm, vm_reads.Page(limit, offset))
    return [
        EventView.model_validate({name: getattr(line, name) for name in EventView.model_fields})
        for line in lines
    ]
