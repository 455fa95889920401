"""Parameters of a request: query string, form or JSON."""

import json
from typing import Any
from urllib.parse import parse_qsl

from simulator.errors import BareError

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def read_parameters(query: str, content_type: str, body: bytes) -> dict[str, Any]:
    """All parameters; a key that is repeated becomes a list."""
    parameters: dict[str, Any] = {}
    if body:
        parameters = _from_body(content_type.partition(";")[0].strip().lower(), body)
    return {**parameters, **_collect(query)}


def _from_body(content_type: str, body: bytes) -> dict[str, Any]:
    if content_type == JSON:
        return _from_json(body)
    if content_type in ("", FORM):
        return _collect(body.decode(errors="replace"))
    text = f"upload 'Content-Type '{content_type}' not implemented"
    raise BareError(506, text, text)


def _from_json(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError as error:
        at = getattr(error, "pos", 0)
        text = (
            "malformed JSON string, neither tag, array, object, number, string or atom, at character offset"
            f' {at} (before "(end of string)") at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 934.\n'
        )
        raise BareError(500, text.strip(), text) from None
    return parsed if isinstance(parsed, dict) else {}


def _collect(encoded: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        if name in result:
            earlier = result[name]
            result[name] = [*earlier, value] if isinstance(earlier, list) else [earlier, value]
        else:
            result[name] = value
    return result
