"""Tickets, and the check of whatever a request brings along."""

import base64
import hashlib
import hmac
import re
from urllib.parse import unquote

from simulator.access.directory import Directory, Identity
from simulator.clock import Clock
from simulator.errors import ApiError, BareError

TICKET_LIFETIME = 7200
"""Seconds, PVE 9."""

_TOKEN = re.compile(r"(?P<user>[^\s:/]+@[\w.\-]+)!(?P<token>[A-Za-z][\w.\-]+)[=:](?P<secret>[\w\-]+)")


class Logins:
    """Issues and checks tickets, and finds out who makes a request."""

    def __init__(self, directory: Directory, secret: str, clock: Clock) -> None:
        self._directory = directory
        self._secret = secret.encode()
        self._clock = clock

    def _signature(self, text: str) -> str:
        digest = hmac.new(self._secret, text.encode(), hashlib.sha512).digest()
        return base64.b64encode(digest * 4).decode()

    def ticket(self, user: str) -> str:
        """A new ticket."""
        plain = f"PVE:{user}:{int(self._clock.now()):08X}"
        return f"{plain}::{self._signature(plain)}"

    def csrf_token(self, user: str) -> str:
        """The token that every change by ticket has to bring along."""
        stamp = f"{int(self._clock.now()):08X}"
        return f"{stamp}:{self._csrf_signature(stamp, user)}"

    def _csrf_signature(self, stamp: str, user: str) -> str:
        digest = hmac.new(self._secret, f"{stamp}:{user}".encode(), hashlib.sha256).digest()
        return base64.b64encode(digest).decode().rstrip("=")

    def user_of_ticket(self, ticket: str) -> str | None:
        """The user of a genuine, unexpired ticket."""
        plain, _, signature = ticket.partition("::")
        parts = plain.split(":")
        if len(parts) != 3 or not hmac.compare_digest(signature, self._signature(plain)):
            return None
        age = self._clock.now() - int(parts[2], 16)
        known = self._directory.users.get(parts[1])
        return parts[1] if known and known.enabled and age < TICKET_LIFETIME else None

    def log_in(self, user: str, password: str) -> Identity:
        """By password, or by an old ticket in its place."""
        known = self._directory.users.get(user)
        good = known is not None and known.enabled and known.password and password == known.password
        if not good and self.user_of_ticket(password) != user:
            raise ApiError(401, "authentication failure\n")
        return Identity(user)

    def identify(self, method: str, authorization: str, cookie: str, csrf: str) -> Identity:
        """Who sends a request. Every failure is an HTTP 401 without a body."""
        if authorization.startswith("PVEAPIToken"):
            return self._by_token(authorization)
        if not cookie:
            raise BareError(401, "No ticket")
        user = self.user_of_ticket(unquote(cookie))
        if user is None:
            raise BareError(401, "Authentication failed!")
        if method != "GET":
            stamp, _, signature = csrf.partition(":")
            if not hmac.compare_digest(signature, self._csrf_signature(stamp, user)):
                raise BareError(401, "Permission denied - invalid csrf token")
        return Identity(user)

    def _by_token(self, authorization: str) -> Identity:
        match = _TOKEN.fullmatch(authorization.removeprefix("PVEAPIToken").lstrip("= "))
        failed = BareError(401, "Authentication failed!")
        if match is None:
            raise failed
        identity = Identity(match["user"], match["token"])
        known = self._directory.users.get(identity.user)
        token = self._directory.token(identity)
        if known is None or token is None or not hmac.compare_digest(token.secret, match["secret"]):
            raise failed
        if not known.enabled or 0 < token.expire < self._clock.now():
            raise failed
        return identity
