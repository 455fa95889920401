"""Rate limits per account and class; and without Redis, none."""

import socket
import threading
import time

import pytest
from pydantic import SecretStr

from orchestrator.api import rate_limits
from orchestrator.api.rate_limits import LimitClass, RateLimiter
from orchestrator.embedded import free_port
from orchestrator.errors import ConfigurationError


@pytest.fixture
def limited(make_client, make_caller):
    """Callers of an API that allows three reads, two changes and one new key a minute."""
    client = make_client(reads_per_minute=3, changes_per_minute=2, login_class_per_minute=1)

    def make(email=None):
        caller = make_caller(email)
        return type(caller)(client, caller.user_id, caller.key)

    return make


def test_each_class_has_its_own_limit(limited):
    caller = limited()
    calls = {("GET", "/vms"): 3, ("POST", "/vms"): 2, ("POST", "/auth/api-key"): 1}
    for (method, path), allowed in calls.items():
        for _ in range(allowed):
            assert caller(method, path).status_code in (200, 422)
        answer = caller(method, path)
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert f"may make {allowed} " in answer.json()["detail"]


def test_each_account_has_its_own_limit(limited):
    first, second = limited(), limited("other@example.org")
    assert [first("GET", "/vms").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert second("GET", "/vms").status_code == 200


def test_all_keys_of_an_account_count_together(limited):
    answers = [limited()("GET", "/vms").status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]


def test_calls_that_the_scope_refuses_count_too(make_client, make_caller):
    client = make_client(changes_per_minute=1)
    caller = make_caller(scopes=("read_only",))
    caller = type(caller)(client, caller.user_id, caller.key)
    assert [caller("POST", "/vms").status_code for _ in range(2)] == [403, 429]


def test_public_calls_are_not_counted(limited):
    client = limited().client
    assert {client.get("/pricing").status_code for _ in range(10)} == {200}


def test_without_redis_everybody_is_let_through(make_client, make_caller, caplog):
    nowhere = SecretStr(f"redis://127.0.0.1:{free_port()}/0")
    client = make_client(broker_url=nowhere, reads_per_minute=1)
    caller = make_caller()
    caller = type(caller)(client, caller.user_id, caller.key)
    assert [caller("GET", "/vms").status_code for _ in range(5)] == [200] * 5
    warnings = [record for record in caplog.records if record.name == rate_limits.__name__]
    assert len(warnings) == 1
    assert "innkeeper_rate_limit_uncounted_total 5.0" in client.get("/metrics").text


@pytest.fixture
def silent():
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


@pytest.fixture
def limiter(silent, settings):
    url = SecretStr(f"redis://:pw@127.0.0.1:{silent.getsockname()[1]}/0")
    return RateLimiter(settings.model_copy(update={"broker_url": url}))


def test_a_redis_that_hangs_costs_little_and_only_once(silent, limiter):
    began = time.monotonic()
    limiter.count(LimitClass.READS, 1)
    assert time.monotonic() - began < 3
    silent.accept()[0].close()
    limiter.count(LimitClass.READS, 1)
    with pytest.raises(BlockingIOError):
        silent.accept()  # it was not asked again
    assert limiter.uncounted == 2


def test_counting_goes_on_when_redis_is_back(settings, valkey, fresh_counts, monkeypatch):
    monkeypatch.setattr(rate_limits, "PAUSE", 0.0)
    limiter = RateLimiter(settings)
    limiter.count(LimitClass.READS, 1)
    valkey.restart()
    limiter.count(LimitClass.READS, 1)
    limiter.count(LimitClass.READS, 1)
    assert limiter.uncounted <= 1


def test_uncounted_calls_are_counted_by_many_threads(limiter):
    limiter.count(LimitClass.READS, 1)
    threads = [
        threading.Thread(target=lambda: [limiter.count(LimitClass.READS, 1) for _ in range(100)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limiter.uncounted == 801


def test_another_kind_of_broker_is_refused_without_telling_its_password(settings):
    with pytest.raises(ConfigurationError) as refused:
        RateLimiter(settings.model_copy(update={"broker_url": SecretStr("amqp://me:hidden@host/")}))
    assert "hidden" not in str(refused.value)
