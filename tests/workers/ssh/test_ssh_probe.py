"""What the probe finds out, and what it calls "not yet"."""

import logging
import socket
import threading
import time
from collections.abc import Callable

import pytest
from ssh_stub import HOST, HOST_KEY, USER, Rules, closed_port, port_with, ssh_server

from orchestrator.errors import SshAuthNotOffered, SshError, SshNotYet
from workers.ssh import AuthMethod, ProbeResult, probe, require_method


def probed(port: int, *, seconds: float = 2.0) -> ProbeResult:
    return probe(HOST, port, USER, timeout_seconds=seconds)


def test_a_server_shows_its_key_its_banner_and_its_methods() -> None:
    rules = Rules(methods="publickey,password")
    with ssh_server(rules) as port:
        result = probed(port)
    assert result == ProbeResult(
        fingerprint=HOST_KEY.fingerprint,
        key_type="ecdsa-sha2-nistp256",
        banner="SSH-2.0-OpenSSH_9.6",
        methods=("publickey", "password"),
    )
    assert rules.seen == [f"none {USER}"]


def test_a_server_that_wants_no_credential_offers_none() -> None:
    with ssh_server(Rules(open_door=True)) as port:
        assert probed(port).methods == ()


def test_a_banner_is_made_printable_and_short() -> None:
    with ssh_server(Rules(), version="SSH-2.0-\x1b[31mred " + "x" * 400) as port:
        banner = probed(port).banner
    assert banner.startswith("SSH-2.0-?[31mred xxx")
    assert len(banner) == 255


def _closes(client: socket.socket) -> None:
    client.close()


def _babbles(client: socket.socket) -> None:
    with client:
        client.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 200)


def _hangs_up_after_the_banner(client: socket.socket) -> None:
    with client:
        client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
        client.recv(100)


def _says_nothing(client: socket.socket) -> None:
    with client:
        client.settimeout(3)
        client.recv(4096)
        time.sleep(0.6)


def _stops_after_the_banner(client: socket.socket) -> None:
    with client:
        client.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
        client.settimeout(3)
        client.recv(4096)
        time.sleep(0.8)


@pytest.mark.parametrize(
    "server", [_closes, _babbles, _hangs_up_after_the_banner, _says_nothing, _stops_after_the_banner]
)
def test_a_port_that_is_no_ssh_server_yet(server: Callable[[socket.socket], None]) -> None:
    started = time.monotonic()
    with (
        port_with(server) as port,
        pytest.raises(SshNotYet, match=f"{HOST} port {port}: no SSH handshake: ."),
    ):
        probed(port, seconds=0.4)
    assert time.monotonic() - started < 10


def test_a_port_where_nothing_listens() -> None:
    port = closed_port()
    with pytest.raises(SshNotYet, match=f"{HOST} port {port}: no connection: .*refused"):
        probed(port)


def test_an_address_that_does_not_resolve() -> None:
    with pytest.raises(SshNotYet, match="no connection"):
        probe("no-such-host.invalid", 22, USER, timeout_seconds=0.5)


def test_a_server_that_hangs_up_before_the_methods_are_known() -> None:
    with (
        ssh_server(Rules(hang_up_at_login=True)) as port,
        pytest.raises(SshNotYet, match="broken off before"),
    ):
        probed(port)


def test_a_server_without_an_algorithm_in_common_will_not_come() -> None:
    with ssh_server(Rules(), kex="a-method-of-its-own") as port, pytest.raises(SshError) as refused:
        probed(port)
    assert not isinstance(refused.value, SshNotYet)
    assert "no SSH algorithm in common" in str(refused.value)


def test_no_thread_and_no_log_line_stays_behind(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    before = set(threading.enumerate())
    with ssh_server(Rules()) as port:
        probed(port)
    with port_with(_babbles) as port, pytest.raises(SshNotYet):
        probed(port, seconds=0.4)
    deadline = time.monotonic() + 10
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert set(threading.enumerate()) - before == set()
    assert [record for record in caplog.records if record.name.startswith("workers.ssh")] == []


@pytest.mark.parametrize(
    ("methods", "wanted", "offered"),
    [
        (("publickey",), "ssh_key", True),
        (("publickey", "password"), "ssh_key", True),
        (("password",), "ssh_key", False),
        (("password",), "password", True),
        (("keyboard-interactive",), "password", True),
        (("publickey",), "password", False),
        ((), "password", False),
        ((), "ssh_key", False),
    ],
)
def test_the_users_choice_has_to_be_on_offer(
    methods: tuple[str, ...], wanted: AuthMethod, offered: bool
) -> None:
    result = ProbeResult("SHA256:x", "ssh-ed25519", "SSH-2.0-x", methods)
    if offered:
        require_method(result, wanted)
    else:
        with pytest.raises(SshAuthNotOffered, match=", ".join(methods) or "without any credential"):
            require_method(result, wanted)
