"""Accounts: adding and disabling them."""

from decimal import Decimal

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from orchestrator.accounts.models import User
from orchestrator.errors import InvalidRequest, NotFound, StateConflict
from orchestrator.store.database import Transaction

MAX_VMS = 3
MAX_HOURLY_SPEND = Decimal(8)


def add(
    tx: Transaction,
    email: str,
    *,
    subject: str | None = None,
    max_vms: int = MAX_VMS,
    max_hourly_spend: Decimal = MAX_HOURLY_SPEND,
) -> User:
    """Add an account. `subject` is the `sub` claim of its JWTs; the email unless given.

    Raises InvalidRequest, or StateConflict when the email or subject is in use.
    """
    name, _, domain = email.partition("@")
    if not (name and domain and email.isprintable()) or " " in email:
        raise InvalidRequest(f"{email!r} is not an email address.", field="email")
    if max_vms < 0:
        raise InvalidRequest("max_vms may not be negative.", field="max_vms")
    if not max_hourly_spend.is_finite() or max_hourly_spend < 0:
        raise InvalidRequest("max_hourly_spend is an amount that is not negative.", field="max_hourly_spend")
    added = (
        insert(User)
        .values(email=email, subject=subject or email, max_vms=max_vms, max_hourly_spend=max_hourly_spend)
        .on_conflict_do_nothing()
        .returning(User)
    )
    user: User | None = tx.scalar(added)
    if user is None:
        raise StateConflict(f"There is already an account with the email {email} or that subject.")
    return user


def find(tx: Transaction, email: str) -> User:
    """The account of an email. Raises NotFound."""
    user = tx.scalar(select(User).where(User.email == email))
    if user is None:
        raise NotFound(f"There is no account {email}.")
    return user


def disable(tx: Transaction, email: str) -> None:
    """Let none of its credentials in any more; its VMs stay. Twice is as once. Raises NotFound."""
    user = find(tx, email)
    tx.execute(
        update(User).where(User.id == user.id, User.disabled_at.is_(None)).values(disabled_at=func.now())
    )


def enable(tx: Transaction, email: str) -> None:
    """Let its credentials in again. Raises NotFound."""
    find(tx, email).disabled_at = None


def lock(tx: Transaction, user_id: int) -> None:
    """Let one transaction at a time change what an account has a limited number of."""
    tx.execute(select(User.id).where(User.id == user_id).with_for_update(key_share=True))
