"""What is sent, and what happens when the broker is away."""

import base64
import json
import logging
from typing import Any

import pytest
import redis
from celery import Celery
from pydantic import SecretStr

from orchestrator.embedded import EmbeddedValkey
from orchestrator.gpus.claims import CapacityFreed, CapacityWanted
from orchestrator.queue.app import SCHEDULER_QUEUE, make_app, node_queue
from orchestrator.queue.chains import Bell, signatures, task_id
from orchestrator.settings import Settings
from tests.seed import Seed


@pytest.fixture
def app(valkey: EmbeddedValkey) -> Celery:
    valkey.wipe()
    return make_app(Settings(broker_url=SecretStr(valkey.url), _env_file=None))


def messages(valkey: EmbeddedValkey, queue: str) -> list[dict[str, Any]]:
    with redis.Redis.from_url(valkey.client_url) as client:
        return [json.loads(message) for message in client.lrange(queue, 0, -1)]


def test_a_chain_of_immutable_signatures_goes_to_the_nodes_queue(seed: Seed, app: Celery) -> None:
    seed.vm()
    [ref] = seed.bell.rung
    chain = signatures(app, ref)
    assert [s.task for s in chain] == [
        f"innkeeper.steps.{step}" for step in ("reserve", "clone", "configure", "boot", "probe")
    ]
    assert all(s.immutable and s.options["queue"] == "node.vm01" for s in chain)
    assert chain[0].kwargs == {"operation": str(ref.id), "vm": str(ref.vm_id), "node": "vm01"}
    assert len({s.options["task_id"] for s in chain}) == 5
    assert signatures(app, ref)[0].options["task_id"] == task_id(ref.id, ref.step, 1)


def test_the_first_message_carries_the_rest_of_the_chain(
    seed: Seed, app: Celery, valkey: EmbeddedValkey
) -> None:
    seed.vm()
    Bell(app).ring(seed.bell.rung)
    [message] = messages(valkey, node_queue("vm01"))
    headers = message["headers"]
    assert headers["task"] == "innkeeper.steps.reserve"
    assert headers["id"] == task_id(seed.bell.rung[0].id, seed.bell.rung[0].step, 1)
    assert "vm01" in headers["kwargsrepr"]


@pytest.mark.parametrize(
    ("news", "task", "arguments"),
    [
        (CapacityWanted("vm01"), "innkeeper.scheduler.reclaim_now", {"node": "vm01"}),
        (CapacityFreed("vm01"), "innkeeper.scheduler.restore", {}),
    ],
)
def test_news_of_gpus_go_to_the_scheduler(
    app: Celery, valkey: EmbeddedValkey, news: CapacityWanted | CapacityFreed, task: str, arguments: object
) -> None:
    Bell(app).ring([news])
    [message] = messages(valkey, SCHEDULER_QUEUE)
    assert message["headers"]["task"] == task
    assert message["headers"]["expires"] is not None
    assert json.loads(base64.b64decode(message["body"]))[1] == arguments


@pytest.mark.timeout(5, func_only=True)  # kombu alone would try for 6 s
def test_a_broker_that_is_away_delays_no_request(seed: Seed, caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(Settings(broker_url=SecretStr("redis://127.0.0.1:1/0"), _env_file=None))
    vm = seed.vm()
    with caplog.at_level(logging.WARNING):
        Bell(app).ring(seed.bell.rung)
    assert str(vm.id) in caplog.text
    assert "was not announced (OperationalError)" in caplog.text
