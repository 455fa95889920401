"""/vms/{id}/explain"""

from uuid import UUID

from fastapi import APIRouter

from orchestrator.api import vm_reads
from orchestrator.api.access import Reader
from orchestrator.api.services import Parts
from orchestrator.api.views.errors import READ, errors
from orchestrator.api.views.explain import ExplainView
from orchestrator.vms.explanation import explain

router = APIRouter(prefix="/vms", tags=["VMs"])


@router.get(
    "/{vm_id}/explain", responses=READ | errors(404), summary="What it waits for, and what would help"
)
def explain_vm(vm_id: UUID, parts: Parts, caller: Reader) -> ExplainView:
    with parts.database.snapshot() as tx:
        vm, _ = vm_reads.one(tx, caller.user_id, vm_id)
        return ExplainView.model_validate(explain(tx, vm, parts.settings).told())
