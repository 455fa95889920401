"""Are two answers the same? By status, by shape of the body, and by text with ids and times masked."""

import json
import re
from dataclasses import dataclass
from typing import Any

_MASKS = (
    (re.compile(r"UPID:[^\s\"]+:"), "<upid>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}\b"), "<mac>"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "<digest>"),
    (re.compile(r"\b1[0-9]{9}\b"), "<time>"),
)
PROGRESS = re.compile(r"^transferred |^trying to acquire lock\.\.\.$|^ OK$")
"""Lines that follow the clock: how far a copy is, and whether somebody else held a lock."""


@dataclass(frozen=True)
class Verdict:
    """How one answer compares with the recorded one."""

    status: bool
    shape: bool
    text: bool
    detail: str = ""
    """The first difference, for the list of what is left."""

    @property
    def is_same(self) -> bool:
        """Is there no difference at all?"""
        return self.status and self.shape and self.text


def compare(recorded: tuple[int, str, Any], played: tuple[int, str, Any]) -> Verdict:
    """(status, reason, body) of both."""
    same_status = recorded[0] == played[0]
    shapes = shape(recorded[2]), shape(played[2])
    texts = text(recorded[1], recorded[2]), text(played[1], played[2])
    if is_cut(recorded[2]) or is_cut(played[2]):
        # Of a log longer than the page only the common beginning can be compared.
        lines = min(map(len, texts))
        texts = texts[0][:lines], texts[1][:lines]
    detail = ""
    if not same_status:
        detail = f"status {recorded[0]} {recorded[1]} became {played[0]} {played[1]}"
    elif texts[0] != texts[1]:
        pairs = zip([*texts[0], ""], [*texts[1], ""], strict=False)
        detail = next((f"text {a!r} became {b!r}" for a, b in pairs if a != b), "text: more or fewer lines")
    elif shapes[0] != shapes[1]:
        detail = f"shape {_difference(shapes[0], shapes[1])}"
    return Verdict(same_status, same_status and shapes[0] == shapes[1], texts[0] == texts[1], detail)


def shape(value: Any) -> Any:
    """Keys and types without values. A list is the set of its items' shapes."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        distinct = {json.dumps(shape(item), sort_keys=True) for item in value}
        return [json.loads(item) for item in sorted(distinct)]
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "null" if value is None else "text"


def _difference(recorded: Any, played: Any) -> str:
    if isinstance(recorded, dict) and isinstance(played, dict):
        for key in sorted({*recorded, *played}):
            if recorded.get(key) != played.get(key):
                return f"{key}: {_difference(recorded.get(key), played.get(key))}"
    if isinstance(recorded, list) and isinstance(played, list):
        lost = [item for item in recorded if item not in played]
        new = [item for item in played if item not in recorded]
        if len(lost) == len(new) == 1:
            return _difference(lost[0], new[0])
        recorded, played = lost, new
    return f"{json.dumps(recorded)[:300]} became {json.dumps(played)[:300]}"


def masked(line: str) -> str:
    """A text without ids and times."""
    for pattern, name in _MASKS:
        line = pattern.sub(name, line)
    return line.strip()


def text(reason: str, body: Any) -> list[str]:
    """The words of an answer: reason, message, errors, exit status, log lines."""
    words = [reason]
    if isinstance(body, str):
        words.append(body)
    if isinstance(body, dict):
        words.append(str(body.get("message", "")))
        words += [f"{name}: {problem}" for name, problem in sorted((body.get("errors") or {}).items())]
        words += _words_of_data(body.get("data"))
    return [masked(word) for word in words]


def is_cut(body: Any) -> bool:
    """Is this one page of a longer list?"""
    return isinstance(body, dict) and len(body.get("data") or ()) < int(body.get("total") or 0)


def _words_of_data(data: Any) -> list[str]:
    if isinstance(data, dict):
        return [str(data["exitstatus"])] if "exitstatus" in data else []
    if isinstance(data, list) and all(isinstance(line, dict) and {"n", "t"} == set(line) for line in data):
        return [line["t"] for line in data if not PROGRESS.match(line["t"])]
    return []
