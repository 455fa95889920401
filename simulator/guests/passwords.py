"""Password hashes as PVE stores them and as a guest checks them."""

from passlib.context import CryptContext
from passlib.hash import sha256_crypt

_RECOGNISED = ("$1$", "$5$", "$6$", "$2a$", "$2y$")
"""Prefixes that PVE takes for a hash; anything else, yescrypt too, it hashes again."""

_CONTEXT = CryptContext(schemes=["sha512_crypt", "sha256_crypt", "md5_crypt", "bcrypt"])

_ROUNDS = 5000


def stored(password: str) -> str:
    """What PVE writes into the configuration for a `cipassword`."""
    if password.startswith(_RECOGNISED):
        return password
    return str(sha256_crypt.using(rounds=_ROUNDS, salt_size=8).hash(password))


def is_right(password: str, password_hash: str) -> bool:
    """Does this password open a login with that hash?"""
    try:
        return bool(_CONTEXT.verify(password, password_hash))
    except (ValueError, TypeError):
        return False
