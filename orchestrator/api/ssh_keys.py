"""/ssh-keys"""

from uuid import UUID

from fastapi import APIRouter, Response

from orchestrator.accounts import ssh_keys
from orchestrator.api.access import Changer, Reader
from orchestrator.api.services import Db
from orchestrator.api.views.accounts import SshKeyBody, SshKeyView
from orchestrator.api.views.errors import CHANGE, READ, errors

router = APIRouter(prefix="/ssh-keys", tags=["SSH keys"])


@router.post("", status_code=201, responses=CHANGE | errors(409), summary="Add a public key")
def create(database: Db, caller: Changer, body: SshKeyBody, response: Response) -> SshKeyView:
    with database.transaction() as tx:
        key = ssh_keys.add(tx, caller.user_id, body.ssh_public_key, label=body.label)
    response.headers["Location"] = f"/ssh-keys/{key.id}"
    return SshKeyView.model_validate(key)


@router.get("", responses=READ, summary="List your keys, the oldest (the default) first")
def list_all(database: Db, caller: Reader) -> list[SshKeyView]:
    with database.transaction() as tx:
        return [SshKeyView.model_validate(key) for key in ssh_keys.list_all(tx, caller.user_id)]


@router.get("/{key_id}", responses=READ | errors(404), summary="One key")
def get(key_id: UUID, database: Db, caller: Reader) -> SshKeyView:
    with database.transaction() as tx:
        return SshKeyView.model_validate(ssh_keys.get(tx, caller.user_id, key_id))


@router.delete(
    "/{key_id}", status_code=204, responses=CHANGE | errors(404), summary="Delete a key; VMs keep theirs"
)
def remove(key_id: UUID, database: Db, caller: Changer) -> None:
    with database.transaction() as tx:
        ssh_keys.remove(tx, caller.user_id, key_id)
