"""The password is nowhere: no table, message, log, task argument, page of Flower or request to PVE has it."""

import contextlib
import threading

import pytest
import redis
from pydantic import SecretStr

from orchestrator.queue.app import make_app
from orchestrator.settings import Settings
from tests.e2e.stack import Stack

pytestmark = pytest.mark.timeout(120)


def test_the_password_is_found_nowhere(stack: Stack) -> None:
    seen: list[str] = []
    stop = threading.Event()
    app = make_app(Settings(broker_url=SecretStr(stack.installation.valkey.url), _env_file=None))

    def listen() -> None:
        with app.connection() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": lambda event: seen.append(str(event))})
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    receiver.capture(limit=1, timeout=0.5, wakeup=False)

    def watch_keys() -> None:
        with redis.Redis.from_url(stack.installation.valkey.client_url) as client:
            while not stop.wait(0.01):
                for key in client.scan_iter():
                    seen.append(str(key) + str(client.dump(key)))

    watchers = [threading.Thread(target=watch) for watch in (listen, watch_keys)]
    for watcher in watchers:
        watcher.start()
    vm_id = stack.rent(auth_method="password", password=stack.password)
    refused = stack.ask(auth_method="password", password=stack.password, gpu_count=3)
    stack.wait([vm_id], "running")
    stop.set()
    for watcher in watchers:
        watcher.join()
    assert any("innkeeper.steps.boot" in line for line in seen), "the events were heard"
    tasks = str(stack.flower("GET", "/api/tasks"))
    assert "innkeeper.steps.boot" in tasks
    everywhere = {
        "messages and events": "\n".join(seen),
        "tables, and what PVE was asked": stack.everything_stored(),
        "logs": stack.logs(),
        "Flower": tasks,
        "the VM object": str(stack.vm(vm_id)),
        "a refusal": refused.text,
    }
    assert [place for place, text in everywhere.items() if stack.password in text] == []
    assert "$6$" in everywhere["tables, and what PVE was asked"], "its hash is, so the search works"
