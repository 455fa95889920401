"""The statuses of a VM and the one table of legal transitions (the database holds a copy and enforces it)."""

from enum import StrEnum


class Status(StrEnum):
    """`status` of the public VM object."""

    CREATING = "creating"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    DESTROYED = "destroyed"
    FAILED = "failed"
    OFFLINE = "offline"


S = Status

TRANSITIONS: dict[Status, frozenset[Status]] = {
    S.CREATING: frozenset({S.STARTING, S.STOPPING, S.FAILED, S.OFFLINE, S.DESTROYED}),
    S.STARTING: frozenset({S.RUNNING, S.STOPPING, S.FAILED, S.OFFLINE, S.DESTROYED}),
    S.RUNNING: frozenset({S.STOPPING, S.OFFLINE, S.DESTROYED}),
    S.STOPPING: frozenset({S.STOPPED, S.INTERRUPTED, S.STARTING, S.OFFLINE, S.DESTROYED}),
    S.STOPPED: frozenset({S.STARTING, S.OFFLINE, S.DESTROYED}),
    S.INTERRUPTED: frozenset({S.STARTING, S.STOPPED, S.OFFLINE, S.DESTROYED}),
    S.OFFLINE: frozenset(
        {S.CREATING, S.STARTING, S.RUNNING, S.STOPPING, S.STOPPED, S.INTERRUPTED, S.FAILED, S.DESTROYED}
    ),
    S.FAILED: frozenset({S.DESTROYED}),
    S.DESTROYED: frozenset(),
}

ENDED = frozenset({S.FAILED, S.DESTROYED})
"""Nothing is left on the hypervisor: no claim, no VMID in use, no charge."""


def legal(before: Status, after: Status) -> bool:
    return after in TRANSITIONS[before]
