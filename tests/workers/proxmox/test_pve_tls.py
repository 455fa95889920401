"""Whom the gateway trusts."""

import datetime as dt
import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pve_stub import UPID, PveStub, access_to, data, serve

from orchestrator.errors import ConfigurationError, PveDenied
from workers.proxmox import Gateway


@dataclass(frozen=True)
class Authority:
    """A certificate authority, and the fingerprint of the server certificate that it issued."""

    ca_file: str
    server_fingerprint: str
    context: ssl.SSLContext


def _certificate(
    name: str,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(signer, hashes.SHA256())
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder: Path = tmp_path_factory.mktemp("tls")
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab CA")])
    ca = _certificate("lab CA", ca_name, ca_key, ca_key, is_ca=True)
    server = _certificate("pve1", ca_name, key, ca_key, is_ca=False)
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "server.pem").write_bytes(
        server.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return Authority(str(folder / "ca.pem"), server.fingerprint(hashes.SHA256()).hex(":").upper(), context)


@pytest.fixture
def tls_stub(authority: Authority) -> Iterator[PveStub]:
    with serve(authority.context) as stub:
        stub.on("GET /version", data({"version": "9.2.11"}))
        stub.on("POST /nodes/vm01/qemu/101/status/stop", data(UPID))
        yield stub


def asked_of(stub: PveStub, **trusting: str | None) -> str:
    gateway = Gateway(access_to(stub.url, **trusting))
    try:
        gateway.stop("vm01", 101)
        return gateway.version()
    finally:
        gateway.close()


def test_a_certificate_of_the_given_ca_is_trusted(tls_stub: PveStub, authority: Authority) -> None:
    assert asked_of(tls_stub, ca_file=authority.ca_file) == "9.2.11"


def test_a_certificate_with_the_given_fingerprint_is_trusted(tls_stub: PveStub, authority: Authority) -> None:
    assert asked_of(tls_stub, fingerprint=authority.server_fingerprint) == "9.2.11"


def test_both_may_be_given(tls_stub: PveStub, authority: Authority) -> None:
    asked_of(tls_stub, ca_file=authority.ca_file, fingerprint=authority.server_fingerprint)


def test_a_self_signed_certificate_is_not_trusted_by_itself(tls_stub: PveStub) -> None:
    with pytest.raises(PveDenied, match=r"certificate is not trusted: .*CERTIFICATE_VERIFY_FAILED"):
        asked_of(tls_stub)
    assert tls_stub.requests == []


@pytest.mark.parametrize("with_ca", [False, True])
def test_another_fingerprint_is_not_trusted(tls_stub: PveStub, authority: Authority, with_ca: bool) -> None:
    with pytest.raises(PveDenied, match=r"certificate is not trusted: .*Fingerprints did not match"):
        asked_of(tls_stub, fingerprint=":".join(["AB"] * 32), ca_file=authority.ca_file if with_ca else None)
    assert tls_stub.requests == []


def test_the_name_in_the_certificate_counts(tls_stub: PveStub, authority: Authority) -> None:
    gateway = Gateway(access_to(tls_stub.url.replace("127.0.0.1", "localhost"), ca_file=authority.ca_file))
    with pytest.raises(PveDenied, match=r"not trusted: .*localhost"):
        gateway.version()


def test_the_environment_cannot_switch_the_check_off(
    tls_stub: PveStub, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority.ca_file)
    with pytest.raises(PveDenied):
        asked_of(tls_stub)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"cluster lab: the CA file .*ca.pem cannot be used"):
        Gateway(access_to("https://127.0.0.1:9", ca_file=str(ca_file))).version()
