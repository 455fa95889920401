"""SHA-512 crypt of VM passwords: made before anything is stored, understood by every Linux guest."""

from passlib.hash import sha512_crypt
from pydantic import SecretStr


def crypt(password: SecretStr, *, rounds: int) -> str:
    """The `$6$` hash that PVE and cloud-init keep as it is (a yescrypt hash PVE would hash again)."""
    return str(sha512_crypt.using(rounds=rounds).hash(password.get_secret_value()))


def matches(password: SecretStr, hashed: str) -> bool:
    """Whether `hashed` was made of this password."""
    return bool(sha512_crypt.verify(password.get_secret_value(), hashed))
