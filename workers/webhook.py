"""Telling the operator's own system of an interruption, when its address is set."""

import hashlib
import hmac
import json
import logging
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from orchestrator.settings import Settings

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 3
SIGNATURE = "X-Innkeeper-Signature"


@dataclass(frozen=True)
class Webhook:
    """Where to tell, and the key to sign with."""

    url: str
    secret: bytes | None = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """None: nobody wants to be told."""
        if settings.webhook_url is None:
            return None
        secret = settings.webhook_secret
        return cls(settings.webhook_url, secret.get_secret_value().encode() if secret else None)

    def tell(self, event: dict[str, Any]) -> bool:
        """Post the event as JSON, with its HMAC-SHA256 in hexadecimal; whether it was taken. Never raises."""
        body = json.dumps(event, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json"}
        if self.secret is not None:
            headers[SIGNATURE] = "sha256=" + hmac.new(self.secret, body, hashlib.sha256).hexdigest()
        try:
            answer = httpx.post(self.url, content=body, headers=headers, timeout=TIMEOUT_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.warning("the webhook did not answer: %s", type(error).__name__)
            return False
        if not answer.is_success:
            log.warning("the webhook answered %s", answer.status_code)
        return answer.is_success
