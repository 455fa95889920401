"""Notice: given once, whole, and whoever listens is told; then the VM is shut down, and comes back."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from orchestrator.intake.asking import ask
from orchestrator.intake.lifecycle import Asked
from orchestrator.scheduler.reclaim import reclaim_on
from orchestrator.scheduler.restore import restore
from orchestrator.settings import Settings
from orchestrator.vms import notices, operations
from orchestrator.vms.models import Interruption, Operation, Vm
from orchestrator.vms.pipelines import Kind, Step
from tests.workers.steps.bench import SETTINGS, Bench
from workers.runner import Runner, Verdict
from workers.steps.announce import GUEST_FILE

NoticedVm = Callable[..., UUID]


@pytest.fixture
def noticed(bench: Bench) -> NoticedVm:
    """An interruptible VM that runs and was given notice just now."""

    def give(seconds: float = 120) -> UUID:
        vm_id = bench.vm(rental_type="interruptible")
        assert bench.settle(vm_id) == "running"
        with bench.database.transaction() as tx:
            assert notices.give(tx, tx.get_one(Vm, vm_id), cause="drain", seconds=seconds) is not None
        return vm_id

    return give


def guest_file(bench: Bench, vm_id: UUID) -> dict[str, Any] | None:
    """What the guest can read of its interruption."""
    vmid = bench.row(vm_id).vmid
    content = bench.simulator.call(lambda server: server.cluster.vms[vmid].disk.files.get(GUEST_FILE))
    return None if content is None else json.loads(content)


def shift(bench: Bench, seconds: float) -> None:
    """As if so much of the notice had passed."""
    with bench.database.transaction() as tx:
        by = timedelta(seconds=seconds)
        tx.execute(update(Interruption).values(notice_until=Interruption.notice_until - by))


def record(bench: Bench) -> Interruption:
    with bench.database.transaction() as tx:
        return tx.scalars(select(Interruption)).one()


def told(bench: Bench, vm_id: UUID) -> list[str]:
    return [line for line in bench.told(vm_id) if "of its interruption" in line]


def test_the_guest_is_told_once_when_its_shutdown_begins(bench: Bench, noticed: NoticedVm) -> None:
    vm_id = noticed()
    for _ in range(3):
        bench.step(vm_id)
    notice = record(bench)
    assert guest_file(bench, vm_id) == {
        "event": "interruption",
        "id": str(notice.id),
        "interrupt_at": f"{notice.notice_until:%Y-%m-%dT%H:%M:%SZ}",
        "cause": "drain",
        "preempted_by_vm_id": None,
    }
    assert told(bench, vm_id) == [f"the guest was told of its interruption in {GUEST_FILE}"]


def test_the_notice_is_given_whole_and_ends_to_the_tenth_of_a_second(
    bench: Bench, noticed: NoticedVm
) -> None:
    vm_id = noticed()
    assert bench.step(vm_id).retry_seconds == 0, "telling took its time, so the rest is measured anew"
    first = bench.step(vm_id).retry_seconds
    assert first is not None
    assert 105 < first < 112.5, "the wake duty looks again some seconds before the end"
    shift(bench, first + 2)
    last = bench.step(vm_id).retry_seconds
    assert last is not None
    assert 1 < last < 8, "what is left is waited for by the message"
    shift(bench, last)
    assert bench.row(vm_id).status == "running", "and charged, until the notice is over"
    bench.step(vm_id)
    operation = bench.operation(vm_id)
    assert operation is not None
    assert (operation.step, operation.attempt) == (Step.SHUTDOWN, 0)


def test_a_notice_of_real_seconds(bench: Bench, noticed: NoticedVm) -> None:
    vm_id = noticed(seconds=1)
    began = time.monotonic()
    while (verdict := bench.step(vm_id)).retry_seconds is not None:
        time.sleep(verdict.retry_seconds)
    assert 0.9 < time.monotonic() - began < 10


def test_waiting_for_its_end_is_no_attempt(bench: Bench, noticed: NoticedVm) -> None:
    vm_id = noticed()
    for _ in range(30):
        bench.step(vm_id)
    operation = bench.operation(vm_id)
    assert operation is not None
    assert (operation.kind, operation.step, operation.attempt) == (Kind.INTERRUPT, Step.ANNOUNCE, 0)


@pytest.mark.parametrize("fault", ["agent_timeout", "proxy_timeout_after"])
def test_a_guest_that_cannot_be_told_delays_nothing(bench: Bench, noticed: NoticedVm, fault: str) -> None:
    vm_id = noticed()
    bench.fault(fault, path="/agent/file-write$", times=None)
    assert bench.step(vm_id).retry_seconds == 0
    [line] = told(bench, vm_id)
    assert line.startswith("the guest could not be told of its interruption: ")


def test_a_guest_that_is_not_ours_any_more_is_not_written_to(bench: Bench, noticed: NoticedVm) -> None:
    bench.see_everything()
    vm_id = noticed()
    bench.edit(bench.row(vm_id).vmid, description="somebody else's")
    bench.step(vm_id)
    assert guest_file(bench, vm_id) is None
    assert "is not ours any more" in told(bench, vm_id)[0]


def test_a_worker_killed_after_telling_does_not_tell_again(bench: Bench, noticed: NoticedVm) -> None:
    vm_id = noticed()
    bench.step(vm_id)
    operation = bench.operation(vm_id)
    assert operation is not None
    with bench.database.transaction() as tx:  # it had taken the step again and died
        tx.execute(
            update(Operation)
            .where(Operation.id == operation.id)
            .values(
                lease_token=func.gen_random_uuid(),
                lease_owner="dead",
                lease_expires_at=func.now(),
                attempt=1,
            )
        )
    assert bench.runner.run(operation.id, Step.ANNOUNCE).retry_seconds is not None
    assert len(told(bench, vm_id)) == 1


def test_the_database_refuses_an_interruption_before_the_notice_is_over(
    bench: Bench, noticed: NoticedVm
) -> None:
    vm_id = noticed()
    with bench.database.transaction() as tx:
        tx.execute(update(Operation).where(Operation.kind == "interrupt").values(step="shutdown"))
    bench.step(vm_id)
    with pytest.raises(IntegrityError, match="the_whole_notice_is_given"):
        bench.step(vm_id)
    assert (bench.row(vm_id).status, bench.claims(vm_id)) == ("stopping", 1)


def test_an_interruption_that_was_not_announced_waits_for_an_operator(bench: Bench) -> None:
    vm_id = bench.vm(rental_type="interruptible")
    bench.settle(vm_id)
    with bench.database.transaction() as tx:
        operations.begin(tx, tx.get_one(Vm, vm_id), Kind.INTERRUPT, actor="test")
    assert bench.settle(vm_id) == "running"
    operation = bench.operation(vm_id)
    assert operation is not None
    assert operation.parked_for == "operator"
    assert "no notice was given" in (operation.last_error or "")


@pytest.mark.parametrize("asked", [Asked.STOP, Asked.DESTROY])
def test_its_owner_may_end_it_during_the_notice(bench: Bench, noticed: NoticedVm, asked: Asked) -> None:
    vm_id = noticed()
    bench.step(vm_id)
    bench.ask(vm_id, asked)
    assert bench.settle(vm_id) == ("stopped" if asked is Asked.STOP else "destroyed")
    assert record(bench).state == "cancelled"
    assert record(bench).interrupted_at is None


def test_the_whole_way_out_and_back(bench: Bench) -> None:
    settings = Settings(
        interruption_notice_seconds=0, cool_down_seconds=0, headroom=0, headroom_most=0, _env_file=None
    )
    victim = bench.vm(rental_type="interruptible", gpu_count=8)
    assert bench.settle(victim) == "running"
    payer = bench.vm(gpu_count=4)
    assert bench.settle(payer) == "creating", "it waits"
    assert reclaim_on(bench.database, settings, "vm01") == 1
    assert bench.settle(victim) == "interrupted"
    assert (bench.claims(victim), bench.claims(payer)) == (0, 4)
    disk = bench.simulator.vm(bench.row(victim).vmid)
    assert disk is not None, "its disk is kept"
    assert bench.settle(payer) == "running"
    assert restore(bench.database, settings) == "0 of 1 interrupted VMs begin to come back"
    ask(bench.database, bench.user_id, payer, Asked.DESTROY)
    assert bench.settle(payer) == "destroyed"
    assert restore(bench.database, settings) == "1 of 1 interrupted VMs begin to come back"
    assert bench.settle(victim) == "running"
    back = record(bench)
    assert (back.state, back.displaced_by) == ("restored", payer)
    assert bench.claims(victim) == 8


def test_a_guest_that_powers_itself_off_during_the_notice_is_interrupted_all_the_same(
    bench: Bench, noticed: NoticedVm
) -> None:
    vm_id = noticed()
    bench.step(vm_id)
    bench.simulator.guest_poweroff(bench.row(vm_id).vmid)
    shift(bench, 120)
    assert bench.settle(vm_id) == "interrupted"


class TestWebhook:
    @pytest.fixture
    def heard(self) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
        """A real HTTP server that keeps what it was sent; its address."""
        requests: list[tuple[dict[str, str], bytes]] = []

        class Ear(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                requests.append((dict(self.headers), body))
                self.send_response(500 if self.path == "/broken" else 204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Ear)
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", requests
        server.shutdown()
        thread.join()
        server.server_close()

    def step(self, bench: Bench, vm_id: UUID, url: str, secret: str | None = "s") -> Verdict:
        settings = SETTINGS.model_copy(
            update={"webhook_url": url, "webhook_secret": None if secret is None else SecretStr(secret)}
        )
        runner = Runner(
            settings=settings,
            database=bench.database,
            gateways=bench.gateways,
            keeper=bench.keeper,
            name="test",
        )
        return replace(bench, runner=runner).step(vm_id)

    def test_it_is_told_once_and_signed(
        self, bench: Bench, noticed: NoticedVm, heard: tuple[str, list[Any]]
    ) -> None:
        url, requests = heard
        vm_id = noticed()
        for _ in range(2):
            self.step(bench, vm_id, url)
        [(headers, body)] = requests
        event, notice = json.loads(body), record(bench)
        assert event == {
            "event": "interruption",
            "id": str(notice.id),
            "interrupt_at": f"{notice.notice_until:%Y-%m-%dT%H:%M:%SZ}",
            "cause": "drain",
            "preempted_by_vm_id": None,
            "vm_id": str(vm_id),
            "vmid": 100_000,
            "node": "vm01",
        }
        assert (
            headers["X-Innkeeper-Signature"] == "sha256=" + hmac.new(b"s", body, hashlib.sha256).hexdigest()
        )

    def test_without_a_secret_it_is_not_signed(
        self, bench: Bench, noticed: NoticedVm, heard: tuple[str, list[Any]]
    ) -> None:
        url, requests = heard
        self.step(bench, noticed(), url, secret=None)
        assert "X-Innkeeper-Signature" not in requests[0][0]

    @pytest.mark.parametrize("broken", ["http://127.0.0.1:1/", "{}/broken", "http://[", "ftp://nowhere/"])
    def test_one_that_does_not_take_it_delays_nothing(
        self, bench: Bench, noticed: NoticedVm, heard: tuple[str, list[Any]], broken: str
    ) -> None:
        vm_id = noticed()
        assert self.step(bench, vm_id, broken.format(heard[0])).retry_seconds == 0
        assert "the webhook did not take the news of the interruption" in bench.told(vm_id)
        assert guest_file(bench, vm_id) is not None
