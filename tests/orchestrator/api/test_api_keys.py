"""/ssh-keys, /auth/api-key and /api-keys."""

from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from orchestrator.accounts.api_keys import LIVE_KEYS_PER_ACCOUNT


def public_key(comment="me@laptop"):
    key = Ed25519PrivateKey.generate().public_key()
    return f"{key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()} {comment}"


def test_an_ssh_key_lives_from_post_to_delete(caller):
    made = caller("POST", "/ssh-keys", json={"ssh_public_key": public_key(), "label": "laptop"})
    assert made.status_code == 201
    key = made.json()
    assert set(key) == {"id", "label", "key_type", "fingerprint", "created_at"}
    assert (key["label"], key["key_type"]) == ("laptop", "ssh-ed25519")
    assert made.headers["Location"] == f"/ssh-keys/{key['id']}"
    assert caller("GET", made.headers["Location"]).json() == key
    assert caller("GET", "/ssh-keys").json()[-1] == key
    assert caller("DELETE", f"/ssh-keys/{key['id']}").status_code == 204
    assert caller("DELETE", f"/ssh-keys/{key['id']}").status_code == 404
    assert caller("GET", f"/ssh-keys/{key['id']}").status_code == 404


def test_an_ssh_key_has_a_label_unless_told_otherwise(caller):
    assert (
        caller("POST", "/ssh-keys", json={"ssh_public_key": public_key()}).json()["label"]
        == "Default SSH Key"
    )


WRONG_SSH_KEYS = [
    ({}, "ssh_public_key", "Field required"),
    ({"ssh_public_key": ""}, "ssh_public_key", "at least 1"),
    ({"ssh_public_key": "s" * 16_001}, "ssh_public_key", "at most 16000"),
    ({"ssh_public_key": 7}, "ssh_public_key", "valid string"),
    ({"ssh_public_key": "ssh-ed25519 AAAA"}, "ssh_public_key", "damaged"),
    ({"ssh_public_key": public_key(), "label": ""}, "label", "at least 1"),
    ({"ssh_public_key": public_key(), "label": "l" * 101}, "label", "at most 100"),
    ({"ssh_public_key": public_key(), "label": "two\nlines"}, "label", "pattern"),
    ({"ssh_public_key": public_key(), "label": None}, "label", "valid string"),
    ({"ssh_public_key": public_key(), "name": "x"}, "name", "Extra inputs"),
]


def test_a_wrong_ssh_key_is_refused(caller, subtests):
    for body, field, fragment in WRONG_SSH_KEYS:
        with subtests.test(body=repr(body)):
            answer = caller("POST", "/ssh-keys", json=body)
            assert answer.status_code == 422
            assert answer.json()["detail"][0]["loc"] == ["body", field]
            assert fragment in answer.json()["detail"][0]["msg"]


def test_the_sixth_ssh_key_is_one_too_many(caller):
    for _ in range(4):
        assert caller("POST", "/ssh-keys", json={"ssh_public_key": public_key()}).status_code == 201
    answer = caller("POST", "/ssh-keys", json={"ssh_public_key": public_key()})
    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["max_ssh_keys"]) == ("state_conflict", 5)


def test_an_ssh_key_of_somebody_else_is_not_there(caller, make_caller):
    key_id = caller("GET", "/ssh-keys").json()[0]["id"]
    stranger = make_caller("stranger@example.org")
    assert stranger("GET", "/ssh-keys").json() == []
    for method in ("GET", "DELETE"):
        assert stranger(method, f"/ssh-keys/{key_id}").status_code == 404
    assert caller("GET", f"/ssh-keys/{key_id}").status_code == 200


def test_an_api_key_is_shown_once_and_lets_in_until_it_is_revoked(caller, client):
    made = caller(
        "POST", "/auth/api-key", json={"name": "ci", "scopes": ["read_only"], "expires_in_days": 30}
    )
    assert made.status_code == 200
    new = made.json()
    assert new["api_key"].startswith("nv_live_")
    bearer = {"Authorization": f"Bearer {new['api_key']}"}
    assert client.get("/vms", headers=bearer).status_code == 200
    (listed,) = [key for key in caller("GET", "/api-keys").json() if key["id"] == new["id"]]
    assert (listed["name"], listed["scopes"], listed["is_revoked"]) == ("ci", ["read_only"], False)
    assert listed["last_used_at"] >= listed["created_at"]
    assert listed["expires_at"] == new["expires_at"] > listed["created_at"]
    assert new["api_key"] not in caller("GET", "/api-keys").text
    for _ in range(2):
        assert caller("DELETE", f"/api-keys/{new['id']}").status_code == 204
    assert client.get("/vms", headers=bearer).status_code == 401
    assert new["id"] not in {key["id"] for key in caller("GET", "/api-keys").json()}
    revoked = caller("GET", "/api-keys?include_revoked=true").json()
    assert [key["is_revoked"] for key in revoked if key["id"] == new["id"]] == [True]


def test_an_api_key_may_do_everything_and_lasts_unless_told_otherwise(caller):
    new = caller("POST", "/auth/api-key", json={}).json()
    assert (new["name"], new["scopes"], new["expires_at"]) == ("Primary Key", ["read_write"], None)


WRONG_API_KEYS = [
    ({"name": ""}, "name"),
    ({"name": "n" * 101}, "name"),
    ({"name": "a\u0000b"}, "name"),
    ({"scopes": []}, "scopes"),
    ({"scopes": "read_only"}, "scopes"),
    ({"scopes": ["admin"]}, "scopes"),
    ({"scopes": ["read_only"] * 4}, "scopes"),
    ({"expires_in_days": 0}, "expires_in_days"),
    ({"expires_in_days": 3651}, "expires_in_days"),
    ({"expires_in_days": 1.5}, "expires_in_days"),
    ({"admin": True}, "admin"),
]


def test_a_wrong_api_key_is_refused(caller, subtests):
    for body, field in WRONG_API_KEYS:
        with subtests.test(body=repr(body)):
            answer = caller("POST", "/auth/api-key", json=body)
            assert answer.status_code == 422
            assert answer.json()["detail"][0]["loc"][:2] == ["body", field]


def test_an_account_has_a_bounded_number_of_api_keys(caller):
    answers = [caller("POST", "/auth/api-key", json={}).status_code for _ in range(LIVE_KEYS_PER_ACCOUNT)]
    assert answers == [200] * (LIVE_KEYS_PER_ACCOUNT - 1) + [409]


def test_an_api_key_of_somebody_else_is_not_there(caller, make_caller):
    key_id = caller("GET", "/api-keys").json()[0]["id"]
    stranger = make_caller("stranger@example.org")
    assert key_id not in {key["id"] for key in stranger("GET", "/api-keys").json()}
    for unknown in (key_id, uuid4()):
        assert stranger("DELETE", f"/api-keys/{unknown}").status_code == 404
    assert caller("GET", "/vms").status_code == 200
