"""What a comparison of a cluster with the store is made on, and what can come of it: plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from orchestrator.fleet.sightings import Snapshot
from orchestrator.vms.statuses import ENDED, Status


class Kind(StrEnum):
    """Kind of a finding."""

    UNKNOWN_VM = "unknown_vm"
    LEFTOVER_VM = "leftover_vm"
    COPIED_MARKER = "copied_marker"
    WRONG_NODE = "wrong_node"
    NOT_OURS = "not_ours"
    VM_MISSING = "vm_missing"
    HIDDEN_VM = "hidden_vm"
    STUCK_CLONE = "stuck_clone"
    LEFTOVER_DISK = "leftover_disk"
    GPU_HELD = "gpu_held"
    UNREADABLE = "unreadable"


# --- What the store has ---


@dataclass(frozen=True)
class Record:
    """A VM, also one that has ended. `node` is the hypervisor's name. `quiet`: no operation is under way, and
    nothing happened to it for a while. `missing`: it has not been listed for a while."""

    vm_id: UUID
    vmid: int
    node: str
    status: Status
    rental_type: str
    quiet: bool
    claims: int = 0
    missing: bool = False

    @property
    def ended(self) -> bool:
        return self.status in ENDED


@dataclass(frozen=True)
class Number:
    """A VMID that was issued. `given_up`: its VM has had another one for a while."""

    vm_id: UUID
    given_up: bool = False


@dataclass(frozen=True)
class Card:
    """A GPU. `cause`: why it is in quarantine; None: it is not."""

    node_id: str
    node: str
    mapping: str
    cause: str | None = None


@dataclass(frozen=True)
class Store:
    """The part of the store that has to do with what was seen. `first` to `last` are our VMIDs."""

    first: int
    last: int
    records: Mapping[UUID, Record] = field(default_factory=dict)
    numbers: Mapping[int, Number] = field(default_factory=dict)
    cards: Sequence[Card] = ()


# --- What the hypervisor has ---


@dataclass(frozen=True)
class ConfigSeen:
    """What a guest's configuration says: whose it is, and which of our mappings its devices are."""

    marker: UUID | None = None
    stub: bool = False
    """A clone that has not finished its first disk, or never will."""
    cards: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """All that was read. `in_use`: whether a VMID is taken, where that was asked. `mappings`: problems by
    mapping, for nodes that were checked. `cloning`: VMIDs that a running task makes."""

    snapshot: Snapshot
    configs: Mapping[int, ConfigSeen] = field(default_factory=dict)
    volumes: Sequence[tuple[str, str, int]] = ()
    """Node, volume id, VMID."""
    in_use: Mapping[int, bool] = field(default_factory=dict)
    cloning: frozenset[int] = frozenset()
    mappings: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    unread: Mapping[str, str | None] = field(default_factory=dict)
    """Nodes that could not be read, not all of it, and why; None: there is nothing wrong in that."""


# --- What comes of it ---


@dataclass(frozen=True)
class Found:
    """A finding. `command` is what root runs on the node, after a look."""

    kind: Kind
    about: str
    text: str
    node: str | None = None
    vmid: int | None = None
    vm_id: UUID | None = None
    command: str | None = None

    @property
    def key(self) -> str:
        """The same difference seen again has the same key."""
        return f"{self.kind}:{self.about}"


@dataclass(frozen=True)
class Destroy:
    """Ours, and its record has ended."""

    vm_id: UUID


@dataclass(frozen=True)
class GiveUpClaims:
    """It is off and should hold no GPUs."""

    vm_id: UUID


@dataclass(frozen=True)
class Quarantine:
    """A card that must not be offered."""

    node_id: str
    mapping: str
    cause: str
    reason: str


@dataclass(frozen=True)
class Lift:
    """A card whose mapping is sound again."""

    node_id: str
    mapping: str


Difference = Found | Destroy | GiveUpClaims | Quarantine | Lift
