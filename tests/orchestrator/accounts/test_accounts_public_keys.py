"""Which SSH public keys are accepted, and how they are kept."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from orchestrator.accounts.public_keys import MAX_TEXT, parse
from orchestrator.errors import InvalidRequest


def text_of(private):
    return private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


ED25519 = text_of(ed25519.Ed25519PrivateKey.generate())
RSA = text_of(rsa.generate_private_key(65537, 2048))
P256 = text_of(ec.generate_private_key(ec.SECP256R1()))
BLOB = ED25519.split()[1]


@pytest.mark.parametrize(
    ("text", "key_type"),
    [(ED25519, "ssh-ed25519"), (RSA, "ssh-rsa"), (P256, "ecdsa-sha2-nistp256")],
    ids=["ed25519", "rsa", "p256"],
)
def test_the_published_types_are_accepted(text, key_type):
    key = parse(f"{text} me@laptop")
    assert key.key_type == key_type
    assert key.text == f"{text} me@laptop"
    digest = hashlib.sha256(base64.b64decode(text.split()[1])).digest()
    assert key.fingerprint == "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (ED25519, ED25519),
        (f"{ED25519}\n", ED25519),
        (f"  {ED25519} \r\n", ED25519),
        (f"ssh-ed25519   {BLOB}", ED25519),
        (f"{ED25519}  me  at   home ", f"{ED25519} me at home"),
        (f"{ED25519} zoë@laptop", f"{ED25519} zo@laptop"),
        (f"{ED25519} 日本", ED25519),
    ],
    ids=["as it is", "a line", "spaces around", "spaces inside", "a comment", "an umlaut", "no ASCII"],
)
def test_a_key_is_kept_in_one_form(sent, kept):
    assert parse(sent).text == kept


WRONG = {
    "nothing": ("", "begins with its type"),
    "no key": ("hello", "begins with its type"),
    "no blob": ("ssh-ed25519", "damaged"),
    "a blob alone": (BLOB, "begins with its type"),
    "two keys": (f"{ED25519}\n{RSA}", "exactly one line"),
    "a second line in the comment": (f"{ED25519} me\nssh-rsa AAAA", "exactly one line"),
    "a carriage return": (f"{ED25519} me\rssh-rsa AAAA", "exactly one line"),
    "a line separator": (f"{ED25519} me\u2028ssh-rsa AAAA", "exactly one line"),
    "a nul": (f"{ED25519} me\x00", "exactly one line"),
    "a tab": (f"ssh-ed25519\t{BLOB}", "exactly one line"),
    "options": (f'command="/bin/sh" {ED25519}', "begins with its type"),
    "another type's blob": (f"ssh-rsa {BLOB}", "damaged"),
    "a cut blob": (f"ssh-ed25519 {BLOB[:-8]}", "damaged"),
    "a blob and more": (
        "ssh-ed25519 " + base64.b64encode(base64.b64decode(BLOB) + b"more").decode(),
        "damaged",
    ),
    "no base64": ("ssh-ed25519 ####", "damaged"),
    "letters that are not ASCII": (f"ssh-ed25519 {BLOB}é", "damaged"),
    "RSA of 1024 bits": (text_of(rsa.generate_private_key(65537, 1024)), "RSA keys have 2048"),
    "P-384": (text_of(ec.generate_private_key(ec.SECP384R1())), "begins with its type"),
    "a certificate": (f"ssh-ed25519-cert-v01@openssh.com {BLOB}", "begins with its type"),
    "a hardware key": (f"sk-ssh-ed25519@openssh.com {BLOB}", "begins with its type"),
    "too long": (f"{ED25519} {'x' * MAX_TEXT}", "at most 16000"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_accepted_key_is_refused(what):
    text, fragment = WRONG[what]
    with pytest.raises(InvalidRequest, match=fragment) as refused:
        parse(text)
    assert refused.value.field == "ssh_public_key"


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_dsa_is_refused():
    with pytest.raises(InvalidRequest):
        parse(text_of(dsa.generate_private_key(1024)))


def test_a_private_key_is_refused_and_not_repeated():
    private = ed25519.Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    for text in (pem, pem.replace("\n", " ")):
        with pytest.raises(InvalidRequest) as refused:
            parse(text)
        assert pem.split("\n")[1] not in refused.value.detail
    assert "private key" in refused.value.detail
