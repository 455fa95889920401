"""Logging in as the VM's owner would."""

import io

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from ssh_stub import HOST, HOST_KEY, USER, Rules, closed_port, ssh_server

from orchestrator.errors import SshAuthNotOffered, SshError, SshNotYet
from workers.ssh import log_in


def _ed25519() -> str:
    private = ed25519.Ed25519PrivateKey.generate()
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()


def _text_of(key: paramiko.PKey) -> str:
    text = io.StringIO()
    key.write_private_key(text)
    return text.getvalue()


ED25519 = _ed25519()
ECDSA = _text_of(paramiko.ECDSAKey.generate())
RSA = _text_of(paramiko.RSAKey.generate(2048))


def logged_in(port: int, **options: str) -> str:
    given = {"expected_fingerprint": HOST_KEY.fingerprint, **options}
    return log_in(HOST, port, USER, timeout_seconds=2.0, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "kind"),
    [(ED25519, paramiko.Ed25519Key), (ECDSA, paramiko.ECDSAKey), (RSA, paramiko.RSAKey)],
    ids=["ed25519", "ecdsa", "rsa"],
)
def test_the_right_key_gets_in(text: str, kind: type[paramiko.PKey]) -> None:
    with ssh_server(Rules(key=kind.from_private_key(io.StringIO(text)))) as port:
        assert logged_in(port, private_key=text) == "gpu-vm-1"


@pytest.mark.parametrize("methods", ["password", "keyboard-interactive", "publickey,password"])
def test_the_right_password_gets_in(methods: str) -> None:
    with ssh_server(Rules(methods=methods, password="correct horse")) as port:
        assert logged_in(port, password="correct horse") == "gpu-vm-1"


def test_the_wrong_key_is_refused() -> None:
    rules = Rules(key=paramiko.ECDSAKey.generate())
    with ssh_server(rules) as port, pytest.raises(SshError, match="refuses renter's credential") as refused:
        logged_in(port, private_key=ED25519)
    assert not isinstance(refused.value, SshNotYet)


def test_the_wrong_password_is_refused_and_not_shown() -> None:
    with ssh_server(Rules(methods="password", password="right")) as port, pytest.raises(SshError) as refused:
        logged_in(port, password="wrong-and-secret")
    assert "wrong-and-secret" not in str(refused.value)


def test_an_empty_login_is_refused() -> None:
    with ssh_server(Rules(methods="password", password="right")) as port, pytest.raises(SshError):
        logged_in(port)


def test_a_method_that_is_not_on_offer() -> None:
    with ssh_server(Rules(methods="publickey")) as port, pytest.raises(SshAuthNotOffered, match="publickey"):
        logged_in(port, password="any")


def test_another_host_key_gets_no_credential() -> None:
    rules = Rules(methods="password", password="right")
    with (
        ssh_server(rules) as port,
        pytest.raises(SshError, match=r"the host key is SHA256:.*nothing was sent"),
    ):
        logged_in(port, password="right", expected_fingerprint="SHA256:other")
    assert rules.seen == []


def test_a_server_that_wants_a_second_factor_lets_nobody_in() -> None:
    key = paramiko.Ed25519Key.from_private_key(io.StringIO(ED25519))
    with (
        ssh_server(Rules(key=key, second_factor=True)) as port,
        pytest.raises(SshError, match="second credential"),
    ):
        logged_in(port, private_key=ED25519)


def test_a_server_that_breaks_off_after_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise EOFError("gone")

    monkeypatch.setattr(paramiko.Transport, "open_session", broken)
    rules = Rules(methods="password", password="right")
    with ssh_server(rules) as port, pytest.raises(SshNotYet, match="broken off: gone"):
        logged_in(port, password="right")


@pytest.mark.parametrize(
    "text",
    ["", "no key", ED25519[:120], "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"],
    ids=["empty", "no key", "cut off", "broken"],
)
def test_what_is_no_private_key_is_not_repeated(text: str) -> None:
    with pytest.raises(SshError, match="neither Ed25519, ECDSA nor RSA") as refused:
        logged_in(closed_port(), private_key=text)
    assert not text or text not in str(refused.value)
