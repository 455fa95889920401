"""The server process: real requests over TCP, and a clean end."""

import os
import signal
import threading
import time

import httpx
import pytest
from pydantic import SecretStr

from orchestrator.accounts import api_keys
from orchestrator.api.server import serve
from orchestrator.embedded import free_port
from orchestrator.errors import ConfigurationError


def test_it_serves_until_it_is_interrupted(seed, settings, fresh_counts):
    with seed.database.transaction() as tx:
        key = api_keys.create(tx, seed.user_id).text
    port = free_port()
    url = seed.database.engine.url.render_as_string(hide_password=False)
    answers = []

    def visit():
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
                wait_ready(client)
                bearer = {"Authorization": f"Bearer {key}"}
                answers.append(client.post("/vms", json=seed.body(), headers=bearer))
                answers.append(client.get(answers[0].headers["Location"], headers=bearer))
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    visitor = threading.Thread(target=visit)
    visitor.start()
    serve(settings.model_copy(update={"database_url": SecretStr(url)}), "127.0.0.1", port)
    visitor.join()
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    assert "Server" not in answers[0].headers


def wait_ready(client):
    deadline = time.monotonic() + 10
    while True:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize(
    "wrong",
    [
        {"jwt_secret": SecretStr("too short")},
        {"jwt_algorithm": "RS256"},
        {"jwt_algorithm": "RS256", "jwt_jwks_url": "file:///etc/passwd"},
    ],
)
def test_settings_that_cannot_work_are_told_at_the_start(settings, wrong):
    with pytest.raises(ConfigurationError, match="JWT"):
        serve(settings.model_copy(update=wrong), "127.0.0.1", 0)
