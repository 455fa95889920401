"""SSH public keys as text: which are accepted, and in what form they are kept."""

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from orchestrator.errors import InvalidRequest

MAX_TEXT = 16_000
RSA_BITS = range(2048, 16_384 + 1)
"""Longer ones OpenSSH refuses."""
TYPES = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256")


@dataclass(frozen=True)
class PublicKey:
    """A checked key: `text` is `type blob comment`, fit for an authorized_keys line."""

    key_type: str
    text: str
    fingerprint: str


def parse(text: str) -> PublicKey:
    """Check the one line of a `.pub` file. Raises InvalidRequest.

    cryptography checks the blob strictly, but ignores what follows it: lines and control characters, by which
    a second key could ride along, are refused here.
    """
    line = text.strip()
    if len(line) > MAX_TEXT:
        raise _wrong(f"A public key has at most {MAX_TEXT} characters.")
    if not line.isprintable():
        raise _wrong("A public key is exactly one line without control characters.")
    key_type, _, rest = line.partition(" ")
    encoded, _, comment = rest.strip().partition(" ")
    if "PRIVATE KEY" in line:
        raise _wrong("This is a private key; keep it secret and send the .pub file.")
    if key_type not in TYPES:
        raise _wrong(f"A public key begins with its type, one of {', '.join(TYPES)}.")
    blob = _checked_blob(key_type, encoded)
    fingerprint = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    kept = [key_type, base64.b64encode(blob).decode(), _cleaned(comment)]
    return PublicKey(key_type, " ".join(filter(None, kept)), f"SHA256:{fingerprint}")


def _checked_blob(key_type: str, encoded: str) -> bytes:
    try:
        blob = base64.b64decode(encoded, validate=True)
        key = load_ssh_public_key(f"{key_type} {encoded}".encode())
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        raise _wrong("The key is damaged: its type and data do not make a public key.") from None
    if isinstance(key, RSAPublicKey) and key.key_size not in RSA_BITS:
        raise _wrong(f"RSA keys have {RSA_BITS.start} to {RSA_BITS.stop - 1} bits, this one {key.key_size}.")
    return blob


def _cleaned(comment: str) -> str:
    """Printable ASCII words: what every guest's tools read alike."""
    ascii_only = "".join(character for character in comment if character.isascii())
    return " ".join(ascii_only.split())


def _wrong(what: str) -> InvalidRequest:
    return InvalidRequest(what, field="ssh_public_key")
