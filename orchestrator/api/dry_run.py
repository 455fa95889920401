"""POST /vms?dry_run=true"""

from fastapi.responses import JSONResponse

from orchestrator.accounts.identity import Identity
from orchestrator.api.services import Services
from orchestrator.api.views.dry_run import DryRunView
from orchestrator.intake.preview import preview
from orchestrator.intake.request import VmRequest


def dry_run(parts: Services, caller: Identity, request: VmRequest) -> JSONResponse:
    """What the request would come to now."""
    with parts.database.snapshot() as tx:
        seen = preview(tx, caller.user_id, request, parts.settings)
        view = DryRunView.of(seen, request, notice_seconds=parts.settings.interruption_notice_seconds)
    return JSONResponse(view.model_dump(mode="json"))
