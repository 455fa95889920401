"""Who is let in: API keys, JWTs by a shared secret and by published keys, scopes."""

import json
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr
from sqlalchemy import func, update

from orchestrator.accounts import api_keys, tokens, users
from orchestrator.accounts.models import ApiKey

SECRET = "a secret that only the tests know about"
GUEST = "guest"  # the subject of the seeded account


def claims(**changes):
    made = {"sub": GUEST, "exp": int(time.time()) + 60} | changes
    return {name: value for name, value in made.items() if value is not None}


def token(key=SECRET, algorithm="HS256", headers=None, **changes):
    return jwt.encode(claims(**changes), key, algorithm, headers=headers)


def get(client, bearer, path="/vms"):
    return client.get(path, headers={"Authorization": f"Bearer {bearer}"})


def assert_refused(answer):
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


HEADERS = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Basic Z3Vlc3Q6Z3Vlc3Q=",
    "nv_live_x",
    "Bearer x",
    "Bearer a.b.c",
    "Bearer nv_",
]


def test_without_a_credential_nobody_is_let_in(client, subtests):
    for header in HEADERS:
        with subtests.test(header=header):
            for path in ("/vms", "/nodes", "/templates", "/ssh-keys", "/api-keys"):
                assert_refused(client.get(path, headers={} if header is None else {"Authorization": header}))


def test_the_credential_is_checked_before_the_body(client):
    assert_refused(client.post("/vms", json={"nonsense": True}))


def test_api_keys_are_known_by_their_digest(caller, client, seed):
    assert get(client, caller.key).status_code == 200
    for other in (caller.key + "x", caller.key[:-1], caller.key.upper(), "nv_live_" + "A" * 43):
        assert_refused(get(client, other))


@pytest.mark.parametrize("change", [{"revoked_at": func.now()}, {"expires_at": func.now()}])
def test_an_ended_api_key_lets_nobody_in(caller, client, seed, change):
    with seed.database.transaction() as tx:
        tx.execute(update(ApiKey).values(**change))
    assert_refused(get(client, caller.key))


def test_a_disabled_account_is_not_let_in(caller, client, seed):
    assert get(client, token()).status_code == 200
    with seed.database.transaction() as tx:
        users.disable(tx, "guest@example.org")
    assert_refused(get(client, caller.key))
    assert_refused(get(client, token()))


ALL = (
    ("GET", "/vms"),
    ("GET", "/ssh-keys"),
    ("GET", "/nodes"),
    ("POST", "/ssh-keys"),
    ("POST", "/auth/api-key"),
)
CHANGES = [call for call in ALL if call[0] == "POST"]


SCOPES = [
    (("read_write",), []),
    (("read_write", "billing_only"), []),
    (("read_only",), CHANGES),
    (("read_only", "billing_only"), CHANGES),
    (("billing_only",), ALL),
]


def test_scopes_bound_what_a_key_may_do(make_caller, subtests):
    for scopes, refused in SCOPES:
        caller = make_caller(scopes=scopes)
        for method, path in ALL:
            with subtests.test(scopes=scopes, call=(method, path)):
                answer = caller(method, path, json={"unknown": 1} if method == "POST" else None)
                if (method, path) in refused:
                    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
                    assert "read_write" in answer.json()["scopes_allowed"]
                else:
                    assert answer.status_code == (422 if method == "POST" else 200)


def test_a_jwt_may_read_and_write(client, seed):
    bearer = {"Authorization": f"Bearer {token()}"}
    assert client.post("/vms", json=seed.body(), headers=bearer).status_code == 201
    assert client.get("/vms", headers=bearer).json()[0]["user_id"] == seed.user_id


def test_clocks_may_differ_by_some_seconds(client, seed):
    assert get(client, token(exp=int(time.time()) - 5)).status_code == 200
    assert get(client, token(nbf=int(time.time()) + 5)).status_code == 200


NONE = jwt.encode(claims(), None, "none")
RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
WRONG_JWTS = {
    "no algorithm": lambda: NONE,
    "no algorithm, with a signature": lambda: NONE + token().rpartition(".")[2],
    "another secret": lambda: token("another secret that has thirty-two bytes"),
    "another algorithm": lambda: token(SECRET * 2, "HS512"),
    "an RSA signature": lambda: token(RSA, "RS256"),
    "expired": lambda: token(exp=int(time.time()) - 60),
    "not yet valid": lambda: token(nbf=int(time.time()) + 60),
    "without exp": lambda: token(exp=None),
    "without sub": lambda: token(sub=None),
    "a sub that is no text": lambda: jwt.encode({"sub": 1, "exp": 2**33}, SECRET, "HS256"),
    "an exp that is no time": lambda: jwt.encode({"sub": GUEST, "exp": "soon"}, SECRET, "HS256"),
    "an unknown sub": lambda: token(sub="nobody"),
    "the email of an account": lambda: token(sub="guest@example.org"),
    "an audience that is not asked for": lambda: token(aud="elsewhere"),
    "a changed body": lambda: ".".join(
        [token().split(".")[0], token(sub="root").split(".")[1], token().split(".")[2]]
    ),
}


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_wrong_jwt_lets_nobody_in(client, seed, subtests):
    for what, made in WRONG_JWTS.items():
        with subtests.test(what):
            assert_refused(get(client, made()))


def test_issuer_and_audience_are_checked_when_configured(make_client, seed):
    client = make_client(jwt_issuer="https://id.example.org", jwt_audience="innkeeper")
    right = {"iss": "https://id.example.org", "aud": "innkeeper"}
    assert get(client, token(**right)).status_code == 200
    assert get(client, token(**right | {"aud": ["other", "innkeeper"]})).status_code == 200
    for wrong in ({"iss": "https://id.example.com"}, {"iss": None}, {"aud": "other"}, {"aud": None}):
        assert_refused(get(client, token(**right | wrong)))


def test_without_a_secret_no_jwt_is_accepted(make_client, seed):
    client = make_client(jwt_secret=None)
    assert_refused(get(client, token()))
    assert_refused(get(client, NONE))


class Issuer:
    """Publishes keys; can be broken in several ways."""

    def __init__(self):
        self.keys = {"one": RSA}
        self.fetches = 0
        self.answer = None
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.fetches += 1
                body = issuer.answer if issuer.answer is not None else issuer.document()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def document(self):
        make = jwt.algorithms.RSAAlgorithm.to_jwk
        keys = [make(key.public_key(), as_dict=True) | {"kid": kid} for kid, key in self.keys.items()]
        return json.dumps({"keys": keys}).encode()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def issuer():
    issuer = Issuer()
    yield issuer
    issuer.close()


@pytest.fixture
def rs_client(make_client, issuer):
    return make_client(jwt_algorithm="RS256", jwt_jwks_url=issuer.url)


def rs_token(key=RSA, kid="one", **changes):
    return token(key, "RS256", headers={"kid": kid}, **changes)


def test_keys_that_the_issuer_publishes_are_fetched_once(rs_client, issuer, seed):
    for _ in range(3):
        assert get(rs_client, rs_token()).status_code == 200
    assert issuer.fetches == 1


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_wrong_rs256_token_lets_nobody_in(rs_client, issuer, seed, subtests):
    wrong = {
        "another key": lambda: rs_token(OTHER_RSA),
        "an unknown key": lambda: rs_token(kid="two"),
        "no key named": lambda: token(RSA, "RS256"),
        "a key name that is no text": lambda: "eyJhbGciOiJSUzI1NiIsImtpZCI6N30.e30.AA",
        "a shared secret": lambda: token(headers={"kid": "one"}),
        "no algorithm": lambda: NONE,
        "expired": lambda: rs_token(exp=int(time.time()) - 60),
        "no token at all": lambda: "x",
    }
    for what, made in wrong.items():
        with subtests.test(what):
            assert_refused(get(rs_client, made()))


def test_unknown_keys_do_not_make_us_fetch_again_and_again(rs_client, issuer, seed):
    for number in range(5):
        assert_refused(get(rs_client, rs_token(kid=f"unknown-{number}")))
    assert issuer.fetches == 1


def test_an_issuer_that_answers_nonsense_makes_it_not_ready(rs_client, issuer, seed, monkeypatch):
    monkeypatch.setattr(tokens, "JWKS_PAUSE", 0.0)
    for issuer.answer in (b"", b"[]", b"{}", b'{"keys": []}'):
        refused = get(rs_client, rs_token())
        assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
    assert issuer.fetches == 4


def test_an_issuer_that_is_away_is_not_waited_for_by_everybody(rs_client, issuer, seed, monkeypatch):
    issuer.answer = b""
    for _ in range(3):
        assert get(rs_client, rs_token()).status_code == 503
    assert issuer.fetches == 1
    issuer.answer = None
    later = time.monotonic() + tokens.JWKS_PAUSE + 1
    monkeypatch.setattr(tokens.time, "monotonic", lambda: later)
    assert get(rs_client, rs_token()).status_code == 200


def test_an_issuer_that_cannot_be_reached_stops_no_api_key(make_client, make_caller, issuer):
    issuer.close()
    client = make_client(jwt_algorithm="RS256", jwt_jwks_url=issuer.url)
    assert get(client, rs_token()).status_code == 503
    assert get(client, make_caller().key).status_code == 200


def test_the_use_of_a_key_is_noted_once_a_minute(caller, client, seed):
    def last_used(ago=None):
        with seed.database.transaction() as tx:
            if ago:
                tx.execute(update(ApiKey).values(last_used_at=func.now() - ago))
            return tx.query(ApiKey.last_used_at).scalar()

    assert last_used() is None
    get(client, caller.key)
    first = last_used()
    assert first is not None
    get(client, caller.key)
    assert last_used() == first
    long_ago = last_used(timedelta(seconds=61))
    get(client, caller.key)
    assert last_used() > long_ago + timedelta(seconds=60)


def test_a_key_in_use_is_at_least_256_bits(seed):
    with seed.database.transaction() as tx:
        texts = {api_keys.create(tx, seed.user_id).text for _ in range(5)}
    assert len(texts) == 5
    assert all(len(text.removeprefix("nv_live_")) == 43 for text in texts)


def test_a_secret_never_shows_in_the_settings(settings):
    assert isinstance(settings.jwt_secret, SecretStr)
    assert SECRET not in repr(settings)
