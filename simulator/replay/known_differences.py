"""What is known to come out differently, and why. Matched by method, path and the recorded answer."""

import json
import re
from dataclasses import dataclass

from simulator.replay.transcripts import Exchange


@dataclass(frozen=True)
class KnownDifference:
    """All patterns are searched; `path` in the API path, `answer` in the recorded body."""

    method: str
    path: str
    reason: str
    answer: str = ""
    note: str = ""

    def matches(self, exchange: Exchange) -> bool:
        """Is this exchange the known one?"""
        return (
            exchange.method == self.method
            and re.search(self.path, exchange.path) is not None
            and re.search(self.answer, json.dumps(exchange.body, ensure_ascii=False)) is not None
            and re.search(self.note, exchange.note) is not None
        )


KNOWN_DIFFERENCES = (
    KnownDifference(
        "GET",
        r"^/nodes/[^/]+/status$",
        "the recorded machine booted with a legacy BIOS; simulated nodes boot with UEFI",
        answer=r'"mode": "legacy-bios"',
    ),
    KnownDifference(
        "GET",
        r"^/cluster/tasks$",
        "on the recorded machine tasks were not spread through the cluster; here they are, as on a real one",
        answer=r'"data": \[\]',
    ),
    KnownDifference(
        "GET",
        r"/cloudinit$",
        "what the guest's image was made from, before the recording began, cannot be known",
        answer='"pending"',
    ),
    KnownDifference(
        "PUT",
        r"/config$",
        "PVE encodes the name of an unknown parameter twice; here it comes back as it was sent",
        note="non-ASCII unknown option",
    ),
    KnownDifference(
        "GET",
        r"/tasks/UPID:.*/status$",
        "of several requests sent at once a later one was still running when it was asked for; a race",
        answer=r'"status": "running"',
    ),
)


def reason_of(exchange: Exchange) -> str | None:
    """Why an exchange comes out differently, if that is known."""
    return next((known.reason for known in KNOWN_DIFFERENCES if known.matches(exchange)), None)
