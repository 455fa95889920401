"""An API over a fresh database and the session's broker, and callers with credentials."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from orchestrator.accounts import api_keys, users
from orchestrator.api.app import create_app
from orchestrator.embedded import EmbeddedValkey
from orchestrator.settings import Settings
from orchestrator.store.database import Database
from tests.orchestrator.api.contract import Contract
from tests.seed import Seed, seed_catalog

with warnings.catch_warnings():  # Starlette would rather have httpx2, which the project does not use
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

JWT_SECRET = "a secret that only the tests know about"

MakeClient = Callable[..., TestClient]


@dataclass(frozen=True)
class Caller:
    """An account that calls the API with an API key."""

    client: TestClient
    user_id: int
    key: str

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"} | options.pop("headers", {})
        return self.client.request(method, path, headers=headers, **options)


@pytest.fixture
def seed(database: Database) -> Seed:
    """Nodes vm01 and vm02 with 8 GPUs each, and an account that may have 100 VMs."""
    return seed_catalog(database)


@pytest.fixture
def settings(valkey: EmbeddedValkey) -> Settings:
    """Limits high enough to be out of the way."""
    return Settings(
        broker_url=SecretStr(valkey.url),
        jwt_secret=SecretStr(JWT_SECRET),
        password_rounds=1000,
        changes_per_minute=10_000,
        reads_per_minute=10_000,
        login_class_per_minute=1000,
        _env_file=None,
    )


@pytest.fixture
def fresh_counts(valkey: EmbeddedValkey) -> None:
    """No call of an earlier test is counted."""
    with redis.Redis.from_url(valkey.client_url) as client:
        client.flushdb()


@pytest.fixture(scope="session")
def contract() -> Contract:
    """What the OpenAPI document promises: the answers of all tests are held against it."""
    nowhere = Database("postgresql+psycopg://nowhere")
    return Contract(create_app(Settings(_env_file=None), nowhere).openapi())


@pytest.fixture
def make_client(
    seed: Seed, settings: Settings, fresh_counts: None, contract: Contract
) -> Iterator[MakeClient]:
    """Makes clients of an API whose settings differ."""
    clients: list[TestClient] = []

    def make(**changes: Any) -> TestClient:
        changed = settings.model_copy(update=changes)
        app = create_app(changed, seed.database, threads=10)
        client = TestClient(app, raise_server_exceptions=False)
        client.event_hooks = {"response": [contract.check]}
        client.__enter__()
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    return make_client()


@pytest.fixture
def make_caller(seed: Seed, client: TestClient) -> Callable[..., Caller]:
    """Makes callers: of the seeded account, or of a new one when an email is given."""

    def make(email: str | None = None, scopes: tuple[str, ...] = ("read_write",), **limits: Any) -> Caller:
        with seed.database.transaction() as tx:
            limits = {"max_vms": 100, "max_hourly_spend": Decimal(1000)} | limits
            user_id = users.add(tx, email, **limits).id if email else seed.user_id
            return Caller(client, user_id, api_keys.create(tx, user_id, scopes=scopes).text)

    return make


@pytest.fixture
def caller(make_caller: Callable[..., Caller]) -> Caller:
    """The seeded account."""
    return make_caller()
