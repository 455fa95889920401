"""JWTs: from a token to the subject that its issuer vouches for."""

import logging
import time
from typing import Any, Protocol

import jwt

from orchestrator.errors import ConfigurationError, NotReady, Unauthenticated
from orchestrator.settings import Settings

log = logging.getLogger(__name__)

LEEWAY_SECONDS = 10
MIN_SECRET_BYTES = 32
JWKS_TIMEOUT = 5.0
JWKS_PAUSE = 5.0
"""After a failed fetch nobody waits for the issuer during this time."""


class KeySource(Protocol):
    """Where the key of a token comes from."""

    def key_for(self, token: str) -> str | jwt.PyJWK:
        """Raises Unauthenticated, NotReady, or an error of PyJWT for a token that is none."""


class SharedSecret:
    """HS256: one secret, shared with the issuer."""

    def __init__(self, secret: str) -> None:
        if len(secret.encode()) < MIN_SECRET_BYTES:
            raise ConfigurationError(f"INNKEEPER_JWT_SECRET must have at least {MIN_SECRET_BYTES} bytes.")
        self._secret = secret

    def key_for(self, token: str) -> str:
        return self._secret


class PublishedKeys:
    """RS256: the keys that the issuer publishes (JWKS), cached for five minutes."""

    def __init__(self, url: str) -> None:
        try:
            self._client = _JwksClient(url, timeout=JWKS_TIMEOUT)
        except jwt.PyJWKClientError as error:
            raise ConfigurationError(f"INNKEEPER_JWT_JWKS_URL cannot be used: {error}") from error

    def key_for(self, token: str) -> jwt.PyJWK:
        kid = jwt.get_unverified_header(token).get("kid")
        if not isinstance(kid, str):
            raise Unauthenticated("The token does not name its key (kid).")
        return self._client.get_signing_key(kid)


class _JwksClient(jwt.PyJWKClient):
    """Tells an issuer that fails from a token that is wrong. It fetches under its lock, one at a time."""

    _down_until = 0.0

    def fetch_data(self) -> Any:
        if time.monotonic() >= self._down_until:
            try:
                return super().fetch_data()
            except (jwt.PyJWTError, OSError, ValueError) as error:
                log.warning("the keys of the token issuer cannot be fetched: %s", error)
                self._down_until = time.monotonic() + JWKS_PAUSE
        raise NotReady("The keys of the token issuer cannot be fetched; try again in a moment.")


def key_source(settings: Settings) -> KeySource | None:
    """As configured; None: no JWT is accepted. Raises ConfigurationError."""
    if settings.jwt_algorithm == "RS256":
        if settings.jwt_jwks_url is None:
            raise ConfigurationError("RS256 needs INNKEEPER_JWT_JWKS_URL.")
        return PublishedKeys(settings.jwt_jwks_url)
    if settings.jwt_secret is None:
        return None
    return SharedSecret(settings.jwt_secret.get_secret_value())


class TokenReader:
    """Checks signature, times, issuer and audience."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = key_source(settings)

    def subject(self, token: str) -> str:
        """The `sub` claim. Raises Unauthenticated, or NotReady when the issuer's keys cannot be had."""
        if self._keys is None:
            raise Unauthenticated("Only API keys are accepted here.")
        try:
            claims = jwt.decode(
                token,
                self._keys.key_for(token),
                algorithms=[self._settings.jwt_algorithm],
                issuer=self._settings.jwt_issuer,
                audience=self._settings.jwt_audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The token has expired.") from None
        except jwt.PyJWTError:
            raise Unauthenticated("The token is not valid here.") from None
        return str(claims["sub"])
