"""Answers: the envelope, the errors, and the headers that go with them."""

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from simulator.errors import ApiError, BareError

HEADERS = {"Server": "pve-api-daemon/3.0", "Cache-Control": "max-age=0", "Pragma": "no-cache"}
_JSON = "application/json;charset=UTF-8"


@dataclass(frozen=True)
class Page:
    """A part of a longer list: `total` stands beside `data`."""

    data: list[Any]
    total: int | None


def success(result: Any) -> web.Response:
    """HTTP 200."""
    if isinstance(result, Page):
        body = {"data": result.data} | ({} if result.total is None else {"total": result.total})
        return _json(200, "OK", body)
    return _json(200, "OK", {"data": result})


def failure(error: ApiError) -> web.Response:
    """An error with its text in the reason phrase and in the body."""
    body: dict[str, Any] = {"data": None, "message": error.message}
    if error.errors is not None:
        body["errors"] = dict(error.errors)
    return _json(error.status, error.message.split("\n")[0], body)


def bare(error: BareError) -> web.Response:
    """An answer of the proxy: no JSON."""
    return web.Response(
        status=error.status,
        reason=_reason(error.reason),
        text=error.body,
        headers=HEADERS,
        content_type="text/plain",
    )


def _json(status: int, reason: str, body: dict[str, Any]) -> web.Response:
    return web.Response(
        status=status,
        reason=_reason(reason),
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        headers={**HEADERS, "Content-Type": _JSON},
    )


def _reason(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")
