"""The SSH keys and API keys of an account, in the database."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from orchestrator.accounts import api_keys, ssh_keys, users
from orchestrator.errors import InvalidRequest, NotFound, StateConflict


def public_key():
    return (
        Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        .decode()
    )


@pytest.fixture
def user_id(database):
    with database.transaction() as tx:
        return users.add(tx, "me@example.org").id


def test_a_freed_slot_is_used_again(database, user_id):
    with database.transaction() as tx:
        keys = [ssh_keys.add(tx, user_id, public_key()) for _ in range(5)]
        ssh_keys.remove(tx, user_id, keys[2].id)
        assert ssh_keys.add(tx, user_id, public_key()).slot == 3
        assert len(ssh_keys.list_all(tx, user_id)) == 5


def test_the_same_key_twice_is_a_conflict_whatever_its_comment(database, user_id):
    key = public_key()
    with database.transaction() as tx:
        ssh_keys.add(tx, user_id, key)
        with pytest.raises(StateConflict, match="SHA256:"):
            ssh_keys.add(tx, user_id, f"{key} another comment")


def test_two_accounts_may_have_the_same_key(database, user_id):
    key = public_key()
    with database.transaction() as tx:
        other = users.add(tx, "other@example.org").id
        assert ssh_keys.add(tx, user_id, key).fingerprint == ssh_keys.add(tx, other, key).fingerprint


def test_five_ssh_keys_also_when_many_are_added_at_once(database, user_id):
    def add(_):
        try:
            with database.transaction() as tx:
                return ssh_keys.add(tx, user_id, public_key()).slot
        except StateConflict:
            return None

    with ThreadPoolExecutor(8) as pool:
        slots = list(pool.map(add, range(8)))
    assert sorted(slot for slot in slots if slot) == [1, 2, 3, 4, 5]


def test_an_ssh_key_is_found_by_its_owner_only(database, user_id):
    with database.transaction() as tx:
        key = ssh_keys.add(tx, user_id, public_key(), label="laptop")
        assert ssh_keys.get(tx, user_id, key.id) is key
        for owner, key_id in ((user_id + 1, key.id), (user_id, uuid4())):
            for call in (ssh_keys.get, ssh_keys.remove):
                with pytest.raises(NotFound):
                    call(tx, owner, key_id)


def test_a_new_api_key_does_not_show_its_text(database, user_id):
    with database.transaction() as tx:
        new = api_keys.create(tx, user_id, expires_in=timedelta(days=1))
        assert new.text not in repr(new)
        assert new.text not in repr(new.row)
        assert new.row.digest == api_keys.digest(new.text)
        assert new.row.expires_at - new.row.created_at == timedelta(days=1)


def test_unknown_scopes_are_refused(database, user_id):
    for scopes in ((), ("admin",), ("read_only", "admin")):
        with database.transaction() as tx, pytest.raises(InvalidRequest) as refused:
            api_keys.create(tx, user_id, scopes=scopes)
        assert refused.value.field == "scopes"


def test_scopes_are_kept_once_each(database, user_id):
    with database.transaction() as tx:
        made = api_keys.create(tx, user_id, scopes=("read_only", "billing_only", "read_only"))
        assert made.row.scopes == ["billing_only", "read_only"]


def test_revoked_api_keys_make_room(database, user_id, monkeypatch):
    monkeypatch.setattr(api_keys, "LIVE_KEYS_PER_ACCOUNT", 1)
    with database.transaction() as tx:
        first = api_keys.create(tx, user_id).row
        with pytest.raises(StateConflict, match="at most 1"):
            api_keys.create(tx, user_id)
        api_keys.revoke(tx, user_id, first.id)
        second = api_keys.create(tx, user_id).row
        assert api_keys.list_all(tx, user_id) == [second]
        assert set(api_keys.list_all(tx, user_id, include_revoked=True)) == {first, second}
        with pytest.raises(NotFound):
            api_keys.revoke(tx, user_id + 1, second.id)
