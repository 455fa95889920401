"""/auth/api-key and /api-keys"""

from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter

from orchestrator.accounts import api_keys
from orchestrator.api.access import Changer, KeyMaker, Reader
from orchestrator.api.services import Db
from orchestrator.api.views.accounts import ApiKeyBody, ApiKeyView, NewApiKeyView
from orchestrator.api.views.errors import CHANGE, READ, errors

router = APIRouter(tags=["API keys"])


@router.post("/auth/api-key", responses=CHANGE | errors(409), summary="Make an API key; it is shown once")
def create(database: Db, caller: KeyMaker, body: ApiKeyBody) -> NewApiKeyView:
    expires_in = timedelta(days=body.expires_in_days) if body.expires_in_days else None
    with database.transaction() as tx:
        new = api_keys.create(tx, caller.user_id, name=body.name, scopes=body.scopes, expires_in=expires_in)
    return NewApiKeyView.of(new)


@router.get("/api-keys", responses=READ, summary="List your API keys, the newest first")
def list_all(database: Db, caller: Reader, *, include_revoked: bool = False) -> list[ApiKeyView]:
    with database.transaction() as tx:
        keys = api_keys.list_all(tx, caller.user_id, include_revoked=include_revoked)
    return [ApiKeyView.of(key) for key in keys]


@router.delete(
    "/api-keys/{key_id}", status_code=204, responses=CHANGE | errors(404), summary="Revoke an API key"
)
def revoke(key_id: UUID, database: Db, caller: Changer) -> None:
    with database.transaction() as tx:
        api_keys.revoke(tx, caller.user_id, key_id)
