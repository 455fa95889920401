"""The SSH keys of an account. A VM keeps its own copy, so that deleting a key changes no VM."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select

from orchestrator.accounts import users
from orchestrator.accounts.models import SSH_KEYS_PER_ACCOUNT, SshKey
from orchestrator.accounts.public_keys import parse
from orchestrator.errors import NotFound, StateConflict
from orchestrator.store.database import Transaction

DEFAULT_LABEL = "Default SSH Key"


def add(tx: Transaction, user_id: int, text: str, *, label: str = DEFAULT_LABEL) -> SshKey:
    """Keep a public key in the account's first free slot.

    Raises InvalidRequest for a key that is not accepted, StateConflict for one too many or one that is there.
    """
    key = parse(text)
    users.lock(tx, user_id)
    present = list_all(tx, user_id)
    if any(known.fingerprint == key.fingerprint for known in present):
        raise StateConflict(f"This account has the key {key.fingerprint} already.")
    taken = {known.slot for known in present}
    free = [slot for slot in range(1, SSH_KEYS_PER_ACCOUNT + 1) if slot not in taken]
    if not free:
        raise StateConflict(
            f"An account has at most {SSH_KEYS_PER_ACCOUNT} SSH keys; delete one first.",
            facts={"max_ssh_keys": SSH_KEYS_PER_ACCOUNT},
        )
    added = SshKey(
        user_id=user_id,
        slot=free[0],
        label=label,
        key_type=key.key_type,
        public_key=key.text,
        fingerprint=key.fingerprint,
    )
    tx.add(added)
    tx.flush()
    tx.refresh(added)
    return added


def list_all(tx: Transaction, user_id: int) -> Sequence[SshKey]:
    """The account's keys, the oldest (its default) first."""
    return tx.scalars(
        select(SshKey).where(SshKey.user_id == user_id).order_by(SshKey.created_at, SshKey.slot)
    ).all()


def get(tx: Transaction, user_id: int, key_id: UUID) -> SshKey:
    """One key of the account. Raises NotFound."""
    key = tx.scalar(select(SshKey).where(SshKey.id == key_id, SshKey.user_id == user_id))
    if key is None:
        raise _not_found(key_id)
    return key


def remove(tx: Transaction, user_id: int, key_id: UUID) -> None:
    """Delete a key of the account. Raises NotFound."""
    mine = delete(SshKey).where(SshKey.id == key_id, SshKey.user_id == user_id)
    if tx.scalar(mine.returning(SshKey.id)) is None:
        raise _not_found(key_id)


def _not_found(key_id: UUID) -> NotFound:
    return NotFound(f"There is no SSH key {key_id}.")
