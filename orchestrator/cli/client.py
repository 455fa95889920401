"""Talking to the API as a user: where it is, with which key, and its errors as ours."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from orchestrator.errors import ConfigurationError, InnkeeperError

PROFILE = Path(".innkeeper") / "client.json"
"""Written by `innkeeper up`, so that `innkeeper vm …` beside it needs no further settings."""
TIMEOUT_SECONDS = 30


class ApiRefused(InnkeeperError):
    """The API's own words, and its code."""


class Client:
    """A thin client of the HTTP API."""

    def __init__(self, url: str, api_key: str) -> None:
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=TIMEOUT_SECONDS
        )

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of the answer (None for 204). Waits as long as a rate limit asks for.

        Raises ApiRefused with what the API said.
        """
        answer = self._http.request(method, path, **options)
        while answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            time.sleep(int(answer.headers.get("Retry-After", 1)))
            answer = self._http.request(method, path, **options)
        if answer.is_success:
            return answer.json() if answer.content else None
        raise ApiRefused(_words(answer))

    def close(self) -> None:
        self._http.close()


@contextmanager
def connect() -> Iterator[Client]:
    """A client from INNKEEPER_URL and INNKEEPER_API_KEY, or from the profile of a running `innkeeper up`."""
    profile = json.loads(PROFILE.read_text()) if PROFILE.is_file() else {}
    url = os.environ.get("INNKEEPER_URL") or profile.get("url")
    api_key = os.environ.get("INNKEEPER_API_KEY") or profile.get("api_key")
    if not url or not api_key:
        raise ConfigurationError(
            "Set INNKEEPER_URL and INNKEEPER_API_KEY, or run this beside a running `innkeeper up`."
        )
    client = Client(url, api_key)
    try:
        yield client
    finally:
        client.close()


def _words(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return f"The API answered {answer.status_code}."
    detail = body.get("detail") if isinstance(body, dict) else body
    if isinstance(detail, list):
        detail = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'][1:])}: {item['msg']}" for item in detail
        )
    code = body.get("code") if isinstance(body, dict) else None
    return f"{detail} ({code})" if code else str(detail)
