"""Who is calling: from a bearer token to an account and what it may do."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import func, or_, select, update

from orchestrator.accounts import api_keys
from orchestrator.accounts.models import ApiKey, User
from orchestrator.accounts.tokens import TokenReader
from orchestrator.errors import Unauthenticated
from orchestrator.settings import Settings
from orchestrator.store.database import Database, Transaction

NOTE_USE_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Identity:
    """An account, and the scopes of the credential that it came with."""

    user_id: int
    scopes: frozenset[str]
    via: Literal["api_key", "jwt"]


class Authenticator:
    """Recognises API keys (`nv_…`) and JWTs."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._tokens = TokenReader(settings)

    def identify(self, token: str) -> Identity:
        """Raises Unauthenticated; NotReady when the keys of the JWT issuer cannot be had."""
        if token.startswith(api_keys.PREFIX):
            with self._database.transaction() as tx:
                return _by_api_key(tx, token)
        subject = self._tokens.subject(token)
        with self._database.transaction() as tx:
            return _by_subject(tx, subject)


def _by_api_key(tx: Transaction, token: str) -> Identity:
    """Found by digest: the time that this takes tells nothing about any key."""
    now = func.now()
    found = tx.execute(
        select(
            ApiKey.id,
            ApiKey.user_id,
            ApiKey.scopes,
            func.coalesce(ApiKey.last_used_at < now - NOTE_USE_EVERY, True).label("note_use"),
        )
        .join(User, User.id == ApiKey.user_id)
        .where(
            ApiKey.digest == api_keys.digest(token),
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now),
            User.disabled_at.is_(None),
        )
    ).one_or_none()
    if found is None:
        raise Unauthenticated("The API key is unknown, revoked or expired.")
    if found.note_use:
        tx.execute(update(ApiKey).where(ApiKey.id == found.id).values(last_used_at=now))
    return Identity(found.user_id, frozenset(found.scopes), via="api_key")


def _by_subject(tx: Transaction, subject: str) -> Identity:
    user_id = tx.scalar(select(User.id).where(User.subject == subject, User.disabled_at.is_(None)))
    if user_id is None:
        raise Unauthenticated("The token's subject has no account here.")
    return Identity(user_id, frozenset({"read_write"}), via="jwt")
