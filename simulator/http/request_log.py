"""The log of requests, without anything secret."""

import re
from collections import deque
from dataclasses import dataclass
from typing import Any

KEPT = 10_000
SECRET = re.compile(r"password|secret|ticket|sshkeys|otp|content|input-data|command", re.IGNORECASE)
HIDDEN = "<redacted>"


@dataclass(frozen=True)
class Request:
    """One request. `time` is in seconds since the epoch, `status` is 0 for a connection that was dropped."""

    time: float
    method: str
    path: str
    status: int
    parameters: dict[str, Any]


def redacted(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters, with passwords, keys and contents hidden."""
    return {name: HIDDEN if SECRET.search(name) else value for name, value in parameters.items()}


class RequestLog:
    """The latest requests."""

    def __init__(self) -> None:
        self._requests: deque[Request] = deque(maxlen=KEPT)

    def add(self, time: float, method: str, path: str, status: int, parameters: dict[str, Any]) -> None:
        """Remember one."""
        self._requests.append(Request(time, method, path, status, redacted(parameters)))

    def all(self) -> list[Request]:
        """Oldest first."""
        return list(self._requests)
