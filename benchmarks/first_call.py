"""From POST /vms to the first call of Proxmox VE, when idle.

Yardstick, in the same run and on the same broker: the time from sending a bare Celery message to its start in
a worker of the same kind. Run with `make bench`.
"""

import statistics
import tempfile
import threading
import time
from pathlib import Path

from celery.contrib.testing.worker import start_worker
from kombu import Queue
from pydantic import SecretStr

from orchestrator.cli import keypair
from orchestrator.queue.app import make_app
from orchestrator.settings import Settings
from tests.e2e.stack import Stack

ROUNDS = 3
REQUESTS = 20
BAR_MS = 250


def first_calls(stack: Stack) -> list[float]:
    """Milliseconds from sending the POST to the arrival of the first call about its VM."""
    found = []
    for _ in range(REQUESTS):
        sent = time.time()
        vm_id = stack.rent()
        vmid = str(stack.vm(vm_id)["vmid"])
        stack.wait([vm_id], "running")
        arrived = min(
            request["time"]
            for request in stack.simulator_requests()
            if vmid in request["path"] or vmid == str(request["parameters"].get("vmid"))
        )
        found.append((arrived - sent) * 1000)
        stack.delete(vm_id)
    return found


def bare_messages(broker: str) -> list[float]:
    """Milliseconds from sending a message to its start in an idle worker with a threads pool."""
    app = make_app(Settings(broker_url=SecretStr(broker), _env_file=None))
    started: list[float] = []
    heard = threading.Event()

    def hear() -> None:
        started.append(time.time())
        heard.set()

    app.task(name="bench.hear")(hear)
    app.conf.task_queues = [Queue("bench")]
    found = []
    with start_worker(app, pool="threads", concurrency=4, perform_ping_check=False, loglevel="ERROR"):
        for number in range(REQUESTS + 3):
            heard.clear()
            sent = time.time()
            app.send_task("bench.hear", queue="bench")
            heard.wait(10)
            if number >= 3:  # the first ones wait for the worker itself
                found.append((started[-1] - sent) * 1000)
            time.sleep(0.1)
    return found


def main() -> None:
    """Print medians and 95th percentiles of several rounds."""
    with tempfile.TemporaryDirectory(prefix="innkeeper-bench-") as directory:
        stack = Stack(Path(directory))
        stack.start()
        try:
            if not stack.client.call("GET", "/ssh-keys"):
                stack.client.call(
                    "POST", "/ssh-keys", json={"ssh_public_key": keypair.make(Path(directory) / "k")}
                )
            bare = bare_messages(stack.installation.valkey.url)
            print(
                f"bare Celery message:      p50 {statistics.median(bare):6.1f} ms   p95 {p95(bare):6.1f} ms"
            )
            for number in range(1, ROUNDS + 1):
                calls = first_calls(stack)
                median = statistics.median(calls)
                print(
                    f"POST to first PVE call:   p50 {median:6.1f} ms   p95 {p95(calls):6.1f} ms   "
                    f"{median / statistics.median(bare):4.1f} × bare   round {number}, bar: p95 < {BAR_MS} ms"
                )
        finally:
            stack.stop()


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]


if __name__ == "__main__":
    main()
