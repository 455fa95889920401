"""Idempotency-Key: the same key and body within 24 h give the same VM."""

import hashlib
import json
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, insert, select

from orchestrator.accounts.models import IdempotencyKey, User
from orchestrator.errors import IdempotencyMismatch
from orchestrator.intake.passwords import matches
from orchestrator.intake.request import VmRequest
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm

KEPT = timedelta(hours=24)


def earlier_vm(tx: Transaction, user: User, key: str, request: VmRequest) -> Vm | None:
    """The VM that this key made before; the caller holds the user's row.

    Raises IdempotencyMismatch for another body.
    """
    tx.execute(
        delete(IdempotencyKey).where(
            IdempotencyKey.user_id == user.id, IdempotencyKey.created_at < func.now() - KEPT
        )
    )
    known = tx.get(IdempotencyKey, (user.id, key))
    if known is None:
        return None
    vm = tx.scalars(select(Vm).where(Vm.id == known.vm_id)).one()
    if known.body_digest != digest(request) or not _same_password(request, vm):
        raise IdempotencyMismatch(
            "This Idempotency-Key was used with another request body; choose a new key."
        )
    return vm


def keep(tx: Transaction, user: User, key: str, request: VmRequest, vm_id: UUID) -> None:
    """Note which VM the key made."""
    tx.execute(
        insert(IdempotencyKey).values(user_id=user.id, key=key, body_digest=digest(request), vm_id=vm_id)
    )


def digest(request: VmRequest) -> bytes:
    """SHA-256 of the body without its password, of which no fast digest may be stored."""
    body = request.model_dump(mode="json", exclude={"password"})
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()


def _same_password(request: VmRequest, vm: Vm) -> bool:
    """A VM that has ended keeps no hash: its password cannot be compared any more."""
    return request.password is None or vm.password_hash is None or matches(request.password, vm.password_hash)
