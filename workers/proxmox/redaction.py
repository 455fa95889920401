"""Keeps secrets out of texts: PVE repeats refused parameters in its errors, an SSH key for instance."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

SECRET_OPTIONS = frozenset({"cipassword", "sshkeys"})
_HIDDEN = "(not shown)"
_LONGEST = 600


def secrets_of(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Every form in which a secret parameter could come back: as sent, decoded, and each of its lines."""
    found: set[str] = set()
    for name in SECRET_OPTIONS & parameters.keys():
        sent = str(parameters[name])
        found.update({sent, unquote(sent)}, unquote(sent).splitlines())
    return tuple(sorted((secret for secret in found if secret), key=len, reverse=True))


def error_text(reason: str, body: Mapping[str, Any], secrets: Iterable[str]) -> str:
    """What PVE said, on one line of at most 600 characters, without secrets.

    `message` holds the full text since PVE 8.4; before, and behind proxies, only the reason phrase says it.
    `errors` has a text for each refused parameter (HTTP 400).
    """
    text = str(body.get("message") or reason)
    errors = body.get("errors")
    if isinstance(errors, dict):
        shown = (
            f"{key}: {_HIDDEN if key in SECRET_OPTIONS else str(value).strip()}"
            for key, value in errors.items()
        )
        text = f"{text} {'; '.join(shown)}"
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    return " ".join(text.split())[:_LONGEST]
