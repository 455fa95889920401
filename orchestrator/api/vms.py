"""/vms"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Header, Query, Response

from orchestrator.api import vm_reads
from orchestrator.api.access import Changer, Reader
from orchestrator.api.explain import waits_for
from orchestrator.api.services import Db, Parts
from orchestrator.api.views.errors import CHANGE, READ, errors
from orchestrator.api.views.vms import EventView, ExplainView, VmView
from orchestrator.errors import RequestRefused
from orchestrator.intake.destroy import request_destroy
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
LOCATION = {"Location": {"description": "path of the VM", "schema": {"type": "string"}}}


@router.post(
    "",
    status_code=201,
    responses=CHANGE | errors(400, 409) | {201: {"headers": LOCATION}},
    summary="Rent a VM",
)
def create(
    parts: Parts,
    caller: Changer,
    request: Annotated[VmRequest, Body(openapi_examples={"one GPU": {"value": EXAMPLE}})],
    response: Response,
    idempotency_key: IdempotencyKey = None,
    dry_run: Annotated[
        bool, Query(description="not available yet: refused, so that nothing is rented")
    ] = False,
) -> VmView:
    if dry_run:
        raise RequestRefused("dry_run is not available yet; nothing was rented.")
    submitted = parts.intake.submit(caller.user_id, request, idempotency_key=idempotency_key)
    with parts.database.transaction() as tx:
        _, node = vm_reads.one(tx, caller.user_id, submitted.vm.id)
    response.headers["Location"] = f"/vms/{submitted.vm.id}"
    return VmView.of(submitted.vm, node)


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


@router.get("/{vm_id}/explain", responses=READ | errors(404), summary="What it waits for")
def explain(vm_id: UUID, database: Db, caller: Reader) -> ExplainView:
    with database.transaction() as tx:
        vm, _ = vm_reads.one(tx, caller.user_id, vm_id)
        work = vm_reads.under_way(tx, vm)
    return ExplainView.of(vm, work, None if work is None else waits_for(vm, work))


@router.delete(
    "/{vm_id}", status_code=204, responses=CHANGE | errors(404), summary="Destroy it, whatever its status"
)
def destroy(vm_id: UUID, parts: Parts, caller: Changer) -> None:
    request_destroy(parts.database, caller.user_id, vm_id)
