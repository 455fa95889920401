"""API keys: random, shown once, kept as SHA-256 digests."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update

from orchestrator.accounts import users
from orchestrator.accounts.models import SCOPES, ApiKey
from orchestrator.errors import InvalidRequest, NotFound, StateConflict
from orchestrator.store.database import Transaction

PREFIX = "nv_"
LIVE_PREFIX = "nv_live_"
RANDOM_BYTES = 32
DEFAULT_NAME = "Primary Key"
DEFAULT_SCOPES = ("read_write",)
LIVE_KEYS_PER_ACCOUNT = 50


@dataclass(frozen=True)
class NewKey:
    """A key at the only moment when its text is known."""

    row: ApiKey
    text: str = field(repr=False)


def digest(text: str) -> bytes:
    """What is kept of a key. It has 256 random bits, so that a fast digest is as good as a slow one."""
    return hashlib.sha256(text.encode()).digest()


def create(
    tx: Transaction,
    user_id: int,
    *,
    name: str = DEFAULT_NAME,
    scopes: Sequence[str] = DEFAULT_SCOPES,
    expires_in: timedelta | None = None,
) -> NewKey:
    """Make a key for an account. Raises InvalidRequest, or StateConflict for one too many."""
    if not scopes or not set(scopes) <= set(SCOPES):
        raise InvalidRequest(f"Scopes are some of {', '.join(SCOPES)}.", field="scopes")
    users.lock(tx, user_id)
    live = select(func.count()).where(ApiKey.user_id == user_id, ApiKey.revoked_at.is_(None))
    if (tx.scalar(live) or 0) >= LIVE_KEYS_PER_ACCOUNT:
        raise StateConflict(
            f"An account has at most {LIVE_KEYS_PER_ACCOUNT} API keys; revoke one first.",
            facts={"max_api_keys": LIVE_KEYS_PER_ACCOUNT},
        )
    text = LIVE_PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
    row = ApiKey(
        user_id=user_id,
        name=name,
        scopes=sorted(set(scopes)),
        digest=digest(text),
        expires_at=func.now() + expires_in if expires_in else None,
    )
    tx.add(row)
    tx.flush()
    tx.refresh(row)
    return NewKey(row, text)


def list_all(tx: Transaction, user_id: int, *, include_revoked: bool = False) -> Sequence[ApiKey]:
    """The account's keys, the newest first."""
    mine = select(ApiKey).where(ApiKey.user_id == user_id)
    if not include_revoked:
        mine = mine.where(ApiKey.revoked_at.is_(None))
    return tx.scalars(mine.order_by(ApiKey.created_at.desc(), ApiKey.id)).all()


def revoke(tx: Transaction, user_id: int, key_id: UUID) -> None:
    """End a key of the account; it stays in the list of revoked ones. Twice is as once. Raises NotFound."""
    mine = update(ApiKey).where(ApiKey.id == key_id, ApiKey.user_id == user_id)
    ended = mine.values(revoked_at=func.coalesce(ApiKey.revoked_at, func.now())).returning(ApiKey.id)
    if tx.scalar(ended) is None:
        raise NotFound(f"There is no API key {key_id}.")
