"""Reading recordings: lists of HTTP exchanges in JSON files."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PREFIX = "/api2/json"
_AT_ONCE = re.compile(r"\(request (\d+) of (\d+), sent at once\)")
_STARTED = re.compile(r"UPID:[^:]+:[0-9A-F]+:[0-9A-F]+:([0-9A-F]{8}):[^:]+:[^:]*:[^:]+:")


@dataclass(frozen=True)
class Exchange:
    """One recorded exchange, or something that was done outside HTTP and left only a note."""

    file: str
    number: int
    method: str
    path: str
    """Without the API's prefix."""
    parameters: dict[str, Any]
    headers: dict[str, str]
    raw_body: str | None
    as_json: bool
    auth: str
    status: int
    reason: str
    body: Any
    note: str

    @property
    def is_request(self) -> bool:
        return bool(self.method)

    @property
    def burst(self) -> int:
        """How many requests were sent together, this one first; 1 when it was sent alone."""
        match = _AT_ONCE.search(self.note)
        return int(match[2]) if match and match[1] == "1" else 1

    @property
    def data(self) -> Any:
        """What stands under `data`."""
        return self.body.get("data") if isinstance(self.body, dict) else None


@dataclass(frozen=True)
class Transcript:
    """One file."""

    name: str
    exchanges: tuple[Exchange, ...] = field(repr=False)

    @property
    def first_task(self) -> int:
        """When its first task started: files do not always stand in the order of their recording."""
        started = (_STARTED.fullmatch(str(e.data)) for e in self.exchanges)
        return min((int(match[1], 16) for match in started if match), default=0)


def read_folder(folder: Path) -> list[Transcript]:
    """All transcripts of a folder, in the order of their recording."""
    transcripts = [_read(path) for path in sorted(folder.glob("*.json"))]
    return sorted(transcripts, key=lambda transcript: transcript.first_task)


def _read(path: Path) -> Transcript:
    items = json.loads(path.read_text())
    return Transcript(
        path.name, tuple(_exchange(path.name, number, item) for number, item in enumerate(items))
    )


def _exchange(file: str, number: int, item: dict[str, Any]) -> Exchange:
    path = str(item.get("path") or "").removeprefix(PREFIX)
    parameters, headers, raw_body, as_json = _parameters(item.get("params"))
    body = item.get("response_body")
    if isinstance(body, str) and body.startswith("{"):
        body = json.loads(body)
    return Exchange(
        file,
        number,
        str(item.get("method") or ""),
        path,
        parameters,
        headers,
        raw_body,
        as_json,
        str(item.get("auth") or ""),
        int(item.get("status") or 0),
        str(item.get("reason") or ""),
        body,
        str(item.get("note") or ""),
    )


def _parameters(given: Any) -> tuple[dict[str, Any], dict[str, str], str | None, bool]:
    """(parameters, headers, raw body, sent as JSON?). Some were recorded as the client's own arguments."""
    if not isinstance(given, str):
        return dict(given or {}), {}, None, False
    arguments = ast.literal_eval(given)
    headers = arguments.get("headers", {})
    if "json" in arguments:
        return arguments["json"], headers, None, True
    content = arguments.get("data", {})
    if isinstance(content, str):
        return {}, headers, content, False
    return content, headers, None, False


def requests_of(transcripts: list[Transcript]) -> Iterator[Exchange]:
    """Every exchange that has a request."""
    for transcript in transcripts:
        yield from (exchange for exchange in transcript.exchanges if exchange.is_request)
