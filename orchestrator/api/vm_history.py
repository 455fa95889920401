"""/vms/{id}/interruption-history"""

from uuid import UUID

from fastapi import APIRouter

from orchestrator.api import vm_reads
from orchestrator.api.access import Reader
from orchestrator.api.services import Db
from orchestrator.api.views.errors import READ, errors
from orchestrator.api.views.vms import InterruptionView

router = APIRouter(prefix="/vms", tags=["VMs"])


@router.get(
    "/{vm_id}/interruption-history",
    responses=READ | errors(404),
    summary="How often it was interrupted, by whom and for how long, the newest first",
)
def interruption_history(vm_id: UUID, database: Db, caller: Reader) -> list[InterruptionView]:
    with database.transaction() as tx:
        vm, _ = vm_reads.one(tx, caller.user_id, vm_id)
        return [InterruptionView.of(record) for record in vm_reads.interruptions(tx, vm)]
