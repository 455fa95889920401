"""Unique process ids: the names of tasks."""

import re
from dataclasses import dataclass

_UPID = re.compile(
    r"UPID:(?P<node>[a-zA-Z0-9](?:[a-zA-Z0-9\-]*[a-zA-Z0-9])?):(?P<pid>[0-9A-Fa-f]{8}):"
    r"(?P<pstart>[0-9A-Fa-f]{8,9}):(?P<starttime>[0-9A-Fa-f]{8}):(?P<type>[^:\s]+):(?P<id>[^:\s]*):"
    r"(?P<user>[^:\s]+):"
)


@dataclass(frozen=True)
class Upid:
    """The parts of a UPID. `pstart` is in clock ticks since the node's boot."""

    node: str
    pid: int
    pstart: int
    starttime: int
    type: str
    id: str
    user: str
    """With the token's name, when a token started the task."""

    def __str__(self) -> str:
        return (
            f"UPID:{self.node}:{self.pid:08X}:{self.pstart:08X}:{self.starttime:08X}"
            f":{self.type}:{self.id}:{self.user}:"
        )


def parse_upid(text: str) -> Upid | None:
    """The UPID in a text, or None when it is none."""
    match = _UPID.fullmatch(text)
    if match is None:
        return None
    return Upid(
        match["node"],
        int(match["pid"], 16),
        int(match["pstart"], 16),
        int(match["starttime"], 16),
        match["type"],
        match["id"],
        match["user"],
    )
