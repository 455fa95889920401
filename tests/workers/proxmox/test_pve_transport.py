"""What the network and other servers do to a call, through the real proxmoxer."""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pve_stub import SECRET, UPID, PveStub, Reply, access_to, data, failure, unused_address

from orchestrator.errors import PveAmbiguous, PveBug, PveError, PveNoAccess, PveTransient, PveUnreachable
from workers.proxmox import CallLimits, Gateway

READ = "GET /version"
CHANGE = "POST /nodes/vm01/qemu/101/status/stop"
VERSION = data({"version": "9.2.11"})


def read(gateway: Gateway) -> str:
    return gateway.version()


def change(gateway: Gateway) -> str:
    return gateway.stop("vm01", 101)


# The class of the error for a read, and for a change.
LOST = (PveTransient, PveAmbiguous)
BUG = (PveBug, PveBug)
AWAY = (PveUnreachable, PveUnreachable)
NO_ACCESS = (PveNoAccess, PveNoAccess)

MISHAPS = [
    (Reply(reset=True), LOST, "the connection broke"),
    (Reply(hang_seconds=1.9), LOST, "no answer in time"),
    (Reply(body={"data": UPID}, truncated=True), LOST, "the connection broke"),
    (Reply(body=b"<html>Welcome</html>", content_type="text/html"), LOST, "no PVE API.*text/html.*Welcome"),
    (Reply(body=b"\xff\xfe"), LOST, "no PVE API"),
    (Reply(body=["data"]), LOST, "no PVE API"),
    (Reply(body={"success": 1}), LOST, "no PVE API"),
    (Reply(status=304, body=b""), LOST, "neither success nor error"),
    (Reply(body={"data": ["unexpected"]}), BUG, "has not the expected shape"),
    (Reply(status=302, headers={"Location": "/login"}), BUG, "redirects"),
    (Reply(status=500, reason="it broke", body=["list"]), LOST, "PVE answers 500: it broke"),
    (Reply(status=502, reason="Bad Gateway", body=b"<html>"), LOST, "502: Bad Gateway"),
    (Reply(status=595, reason="No route to host", body=b""), AWAY, "No route to host"),
    (Reply(status=596, reason="Broken pipe", body=b""), LOST, "Broken pipe"),
    (Reply(status=401, reason="No ticket", body=b""), NO_ACCESS, "401: No ticket"),
]


@pytest.mark.parametrize(("reply", "kinds", "said"), MISHAPS)
def test_each_mishap_has_its_class(
    stub: PveStub, gateway: Gateway, reply: Reply, kinds: tuple[type[PveError], type[PveError]], said: str
) -> None:
    stub.on(READ, reply)
    stub.on(CHANGE, reply)
    with pytest.raises(PveError, match=f"^cluster lab: ask for the version: .*{said}") as of_read:
        read(gateway)
    with pytest.raises(PveError, match=f"^cluster lab, node vm01: stop VM 101: .*{said}") as of_change:
        change(gateway)
    assert (type(of_read.value), type(of_change.value)) == kinds


def test_a_read_on_a_broken_connection_is_sent_once_more(stub: PveStub, gateway: Gateway) -> None:
    stub.on(READ, VERSION, Reply(reset=True), VERSION)
    assert [read(gateway), read(gateway)] == ["9.2.11", "9.2.11"]
    assert len(stub.asked(READ)) == 3


def test_a_read_is_not_sent_a_third_time(stub: PveStub, gateway: Gateway) -> None:
    stub.on(READ, Reply(reset=True))
    with pytest.raises(PveTransient):
        read(gateway)
    assert len(stub.asked(READ)) == 2


def test_a_change_is_never_sent_twice(stub: PveStub, gateway: Gateway) -> None:
    stub.on(CHANGE, Reply(reset=True), data(UPID))
    with pytest.raises(PveAmbiguous):
        change(gateway)
    assert len(stub.asked(CHANGE)) == 1


def test_reads_share_a_connection_and_a_change_has_its_own(stub: PveStub, gateway: Gateway) -> None:
    stub.on(READ, VERSION)
    stub.on(CHANGE, data(UPID))
    for call in (read, read, change, read, change):
        call(gateway)
    connections = [seen.connection for seen in stub.requests]
    assert connections[0] == connections[1] == connections[3]
    assert len({connections[0], connections[2], connections[4]}) == 3


def test_a_connection_that_the_server_closed_when_idle_does_no_harm(stub: PveStub, gateway: Gateway) -> None:
    stub.on(READ, Reply(body=VERSION.body, close_idle=True))
    stub.on(CHANGE, Reply(body={"data": UPID}, close_idle=True))
    assert [call(gateway) for call in (read, read, change, read)] == ["9.2.11", "9.2.11", UPID, "9.2.11"]


def test_a_gateway_works_again_after_close(stub: PveStub, gateway: Gateway) -> None:
    stub.on(READ, VERSION)
    read(gateway)
    gateway.close()
    assert read(gateway) == "9.2.11"
    assert stub.requests[0].connection != stub.requests[1].connection


def test_a_forked_process_does_not_use_its_parents_connection(
    stub: PveStub, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.on(READ, VERSION)
    read(gateway)
    monkeypatch.setattr("workers.proxmox.connection.os.getpid", lambda: -1)
    read(gateway)
    assert stub.requests[0].connection != stub.requests[1].connection


def test_another_endpoint_answers_for_one_that_does_not_connect(stub: PveStub) -> None:
    stub.on(READ, VERSION)
    stub.on(CHANGE, data(UPID))
    gateway = Gateway(access_to(unused_address(), stub.url))
    assert read(gateway) == "9.2.11"
    assert change(gateway) == UPID
    gateway.close()


def test_an_endpoint_that_answered_is_asked_first_from_then_on(
    stub: PveStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.on(READ, VERSION)
    gateway = Gateway(access_to(unused_address(), stub.url))
    read(gateway)
    tried: list[str] = []
    keep = gateway._connection._keep
    monkeypatch.setattr(
        gateway._connection, "_keep", lambda address: (tried.append(address), keep(address))[1]
    )
    read(gateway)
    gateway.close()
    assert tried == [stub.url]


def test_an_endpoint_that_took_the_request_is_not_followed_by_another(stub: PveStub) -> None:
    stub.on(CHANGE, Reply(reset=True), data(UPID))
    other = stub.url.replace("127.0.0.1", "localhost")
    gateway = Gateway(access_to(stub.url, other))
    with pytest.raises(PveAmbiguous):
        change(gateway)
    assert len(stub.requests) == 1


def test_when_no_endpoint_connects_the_text_says_why_for_each() -> None:
    first, second = unused_address(), "https://no-such-host.invalid:8006"
    gateway = Gateway(access_to(first, second), CallLimits(connect_seconds=0.5))
    with pytest.raises(PveUnreachable, match=rf"{first}: .*refused; {second}: .*no-such-host"):
        read(gateway)


def test_an_endpoint_that_does_not_complete_the_connection_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object, **__: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr("urllib3.connection.connection.create_connection", never)
    gateway = Gateway(access_to("http://127.0.0.1:9"))
    with pytest.raises(PveUnreachable, match="timed out"):
        change(gateway)


def test_something_else_than_tls_on_an_https_port_is_no_answer(stub: PveStub) -> None:
    gateway = Gateway(access_to(stub.url.replace("http:", "https:")))
    with pytest.raises(PveTransient, match=r"the connection broke: .*SSL"):
        read(gateway)


def test_the_environment_does_not_redirect_calls(
    stub: PveStub, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", unused_address())
    monkeypatch.setenv("ALL_PROXY", unused_address())
    stub.on(READ, VERSION)
    assert read(gateway) == "9.2.11"


def test_every_call_carries_the_token(stub: PveStub, gateway: Gateway) -> None:
    stub.on(READ, VERSION)
    read(gateway)
    assert stub.last.headers["Authorization"] == f"PVEAPIToken=innkeeper@pve!orch={SECRET}"


@pytest.mark.parametrize("failing", [False, True])
def test_no_secret_reaches_a_log_or_an_error(
    stub: PveStub, gateway: Gateway, caplog: pytest.LogCaptureFixture, failing: bool
) -> None:
    secrets = {"cipassword": "$6$salt$hash", "sshkeys": "ssh-ed25519 AAAAC3Nza mine@home"}
    caplog.set_level(logging.DEBUG)
    refusal = failure(
        400,
        f"Parameter verification failed. {SECRET}",
        {"sshkeys": "bad: ssh-ed25519 AAAAC3Nza mine@home", "cores": f"odd $6$salt$hash {SECRET}"},
    )
    stub.on("PUT /nodes/vm01/qemu/101/config", refusal if failing else data(None))
    error: Exception | None = None
    try:
        gateway.configure("vm01", 101, {**secrets, "cores": 2})
    except PveBug as err:
        error = err
        logging.getLogger("test").exception("refused")
    assert (error is not None) is failing
    seen = f"{caplog.text} {error} {error!r}"
    for secret in ("$6$salt", "%246%24", "AAAAC3Nza", SECRET):
        assert secret not in seen
    assert "configure VM 101" in caplog.text


def test_importing_the_gateway_leaves_urllib3s_warnings_on() -> None:
    code = (
        "import warnings, workers.proxmox, urllib3.exceptions as e\n"
        "assert not [f for f in warnings.filters if f[0] == 'ignore' and f[2] is e.HTTPWarning]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_more_calls_are_under_way_at_a_node_than_allowed(stub: PveStub, gateway: Gateway) -> None:
    for vmid in range(101, 109):
        stub.on(
            f"GET /nodes/vm01/qemu/{vmid}/status/current",
            Reply(body={"data": {"status": "stopped"}}, hang_seconds=0.03),
        )
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda vmid: gateway.vm_status("vm01", vmid), range(101, 109)))
    assert not any(answer.running for answer in answers)
    assert stub.busiest == 2


def test_a_node_whose_slots_stay_taken_is_reported_and_another_is_not_held_up(stub: PveStub) -> None:
    let_go, begun = threading.Event(), threading.Semaphore(0)

    def held(_: object) -> Reply:
        begun.release()
        return data({"status": "stopped"})

    stub.answers["GET /nodes/vm01/qemu/101/status/current"] = held
    stub.on("GET /nodes/vm02/qemu/102/status/current", data({"status": "running"}))
    gateway = Gateway(access_to(stub.url), CallLimits(reads_seconds=0.1, in_flight_per_node=1))
    slots = gateway._connection._slots
    with slots.within("vm01", seconds=0, busy=""):
        with pytest.raises(
            PveTransient, match="node vm01: read the status of VM 101: other calls took all slots"
        ):
            gateway.vm_status("vm01", 101)
        assert gateway.vm_status("vm02", 102).running
    let_go.set()
    assert not gateway.vm_status("vm01", 101).running
    gateway.close()


class CutShortError(Exception):
    """What a caller's pause raises."""


def test_a_clone_waits_for_a_slot_of_its_storage_in_bites_that_can_be_cut_short(gateway: Gateway) -> None:
    bites: list[float] = []

    def pause(seconds: float) -> None:
        bites.append(seconds)
        if len(bites) == 3:
            raise CutShortError

    with gateway.clone_slot("vm01", "fast", pause), gateway.clone_slot("vm01", "fast", pause):
        with gateway.clone_slot("vm01", "slow", pause), gateway.clone_slot("vm02", "fast", pause):
            assert bites == []
        with pytest.raises(CutShortError), gateway.clone_slot("vm01", "fast", pause):
            pytest.fail("got a third slot")
        assert bites == [0.2] * 3
    with gateway.clone_slot("vm01", "fast", pause):
        assert len(bites) == 3


def test_a_clone_slot_comes_back_when_the_clone_fails(gateway: Gateway) -> None:
    def pause(_: float) -> None:
        pytest.fail("no slot was given back")

    def fail() -> None:
        with gateway.clone_slot("vm01", "fast", pause):
            raise CutShortError

    attempts: list[Callable[[], None]] = [fail] * 5
    for attempt in attempts:
        with pytest.raises(CutShortError):
            attempt()
