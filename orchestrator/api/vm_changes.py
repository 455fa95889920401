"""/vms/{id}: what an owner may ask of a VM that exists"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body
from fastapi.openapi.models import Example

from orchestrator.api import vm_reads
from orchestrator.api.access import Changer
from orchestrator.api.services import Db
from orchestrator.api.views.errors import CHANGE, errors
from orchestrator.api.views.vms import VmView
from orchestrator.intake.asking import ask
from orchestrator.intake.change import VmChange, change
from orchestrator.intake.lifecycle import Asked
from orchestrator.store.database import Database

router = APIRouter(prefix="/vms", tags=["VMs"])

REFUSALS = CHANGE | errors(404, 409)
NO_CHANGE = VmChange()
EXAMPLE: dict[str, Example] = {"a label": {"value": {"instance_label": "render"}}}


@router.post("/{vm_id}/start", responses=REFUSALS, summary="Start a stopped or interrupted VM")
def start(vm_id: UUID, database: Db, caller: Changer) -> VmView:
    ask(database, caller.user_id, vm_id, Asked.START)
    return _shown(database, caller.user_id, vm_id)


@router.post("/{vm_id}/stop", responses=REFUSALS, summary="Stop it; its disk stays")
def stop(vm_id: UUID, database: Db, caller: Changer) -> VmView:
    ask(database, caller.user_id, vm_id, Asked.STOP)
    return _shown(database, caller.user_id, vm_id)


@router.post("/{vm_id}/restart", responses=REFUSALS, summary="Shut it down and start it, with the same GPUs")
def restart(vm_id: UUID, database: Db, caller: Changer) -> VmView:
    ask(database, caller.user_id, vm_id, Asked.RESTART)
    return _shown(database, caller.user_id, vm_id)


@router.patch("/{vm_id}", responses=REFUSALS, summary="Change its label, or whether it comes back by itself")
def patch(
    vm_id: UUID,
    database: Db,
    caller: Changer,
    wanted: Annotated[VmChange, Body(openapi_examples=EXAMPLE)] = NO_CHANGE,
) -> VmView:
    change(database, caller.user_id, vm_id, wanted)
    return _shown(database, caller.user_id, vm_id)


@router.delete(
    "/{vm_id}", status_code=204, responses=CHANGE | errors(404), summary="Destroy it, whatever its status"
)
def destroy(vm_id: UUID, database: Db, caller: Changer) -> None:
    ask(database, caller.user_id, vm_id, Asked.DESTROY)


def _shown(database: Database, user_id: int, vm_id: UUID) -> VmView:
    with database.transaction() as tx:
        return VmView.of(*vm_reads.one(tx, user_id, vm_id))
