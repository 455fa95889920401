"""What a hypervisor cluster shows in one cheap listing, as plain data, and how a VM of ours appears in it.

Place, lock and tags of a guest are fresh; its name and status are what its node broadcast last, some ten
seconds ago, and are missing for a guest that is new or whose node does not report (PVE 9.2).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

TAG = "innkeeper"
"""Tag of every VM that was configured."""


@dataclass(frozen=True)
class NodeSeen:
    """`uptime_seconds` is there when the token may read it."""

    online: bool
    uptime_seconds: int | None = None


@dataclass(frozen=True)
class GuestSeen:
    """A VM of anybody's. `cpu` and `memory` are its present use, 0 to 1. `node` is the hypervisor's name."""

    vmid: int
    node: str
    name: str
    status: str
    cpu: float = 0
    memory: float = 0
    template: bool = False
    lock: str | None = None
    tags: tuple[str, ...] = ()
    pool: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """Nodes by the hypervisor's name, guests by VMID."""

    nodes: Mapping[str, NodeSeen] = field(default_factory=dict)
    guests: Mapping[int, GuestSeen] = field(default_factory=dict)

    def reports(self, node: str) -> bool:
        """Whether that node is up, as the cluster sees it."""
        return (seen := self.nodes.get(node)) is not None and seen.online


class Shown(StrEnum):
    """How a VM of ours appears."""

    RUNNING = "running"
    STOPPED = "stopped"
    ABSENT = "absent"
    ELSEWHERE = "elsewhere"
    FOREIGN = "foreign"
    UNKNOWN = "unknown"


DOUBTFUL = tuple(shown for shown in Shown if shown is not Shown.UNKNOWN)


def vm_name(vm_id: UUID) -> str:
    """The hypervisor's name of our VM, which becomes the guest's hostname (at most 63 characters)."""
    return f"gpu-{vm_id.hex[:12]}"


def marker(vm_id: UUID) -> str:
    """The line of a description that proves that a guest is this VM."""
    return f"innkeeper:{vm_id}"


def marked(description: str) -> UUID | None:
    """The VM that a description claims to be; it may be one that we do not know."""
    found = re.search(r"^innkeeper:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$", description, re.MULTILINE)
    return UUID(found[1]) if found else None


def shown(snapshot: Snapshot, *, vm_id: UUID, vmid: int, node: str) -> Shown:
    """How our VM appears, which belongs on `node`. A guest under its VMID is not it for that reason alone.

    A guest with a lock is in other hands for a while, such as a backup's, which may stop and start it.
    """
    guest = snapshot.guests.get(vmid)
    if guest is None:
        return Shown.ABSENT
    if guest.lock or not guest.name or not snapshot.reports(guest.node):
        return Shown.UNKNOWN
    if guest.name != vm_name(vm_id) and TAG not in guest.tags:
        return Shown.FOREIGN
    if guest.node != node:
        return Shown.ELSEWHERE
    return {"running": Shown.RUNNING, "stopped": Shown.STOPPED}.get(guest.status, Shown.UNKNOWN)
