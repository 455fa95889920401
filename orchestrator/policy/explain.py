"""What a VM waits for: the class of the reason, from facts about it, and the parts of an explanation."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from orchestrator.policy.estimates import Estimate
from orchestrator.policy.restore import Verdict
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import ENDED, Status


class Reason(StrEnum):
    """Why a VM is not yet what was asked for. Programs may rely on the names."""

    WANTS_NOTHING = "wants_nothing"
    GIVEN_UP = "given_up"
    OWNER = "owner"
    WORKING = "working"
    WORKER = "worker"
    RETRY = "retry"
    NOTICE = "notice"
    RECLAIM = "reclaim"
    CAPACITY = "capacity"
    COOL_DOWN = "cool_down"
    HEADROOM = "headroom"
    SCHEDULER = "scheduler"
    NODE_OFFLINE = "node_offline"
    NODE_DRAINING = "node_draining"
    OPERATOR = "operator"


AT_REST = frozenset({Reason.WANTS_NOTHING, Reason.GIVEN_UP})
"""Nothing more happens by itself, so nothing is waited for."""


@dataclass(frozen=True)
class UnderWay:
    """The live operation. `in_line`: it is to reserve, and some of its GPUs are not there yet."""

    kind: Kind
    step: Step
    parked_for: str | None
    leased: bool
    due: bool
    in_line: bool = False


@dataclass(frozen=True)
class Standing:
    """Where a VM stands. `coming`: the GPUs that it misses are on their way, or will be reclaimed.

    `verdict`: what the next look at interrupted VMs would decide, if it is one of those that come back.
    """

    status: Status
    under_way: UnderWay | None = None
    node_offline: bool = False
    node_draining: bool = False
    coming: bool = False
    verdict: Verdict | None = None
    has_failed: bool = False


PARKED = {"capacity": Reason.CAPACITY, "node": Reason.NODE_OFFLINE, "operator": Reason.OPERATOR}
DECIDED = {
    Verdict.RESTORE: Reason.SCHEDULER,
    Verdict.COOLING_DOWN: Reason.COOL_DOWN,
    Verdict.NO_ROOM: Reason.CAPACITY,
    Verdict.HEADROOM: Reason.HEADROOM,
}


def reason_of(vm: Standing) -> Reason:
    """The class of the reason: what has to change first."""
    if vm.under_way is None and vm.status in ENDED:
        return Reason.GIVEN_UP if vm.status is Status.FAILED else Reason.WANTS_NOTHING
    if vm.node_offline or vm.status is Status.OFFLINE:
        return Reason.NODE_OFFLINE
    if vm.under_way is not None:
        return _of_work(vm.under_way, coming=vm.coming)
    if vm.status is Status.INTERRUPTED:
        return _of_interrupted(vm)
    if vm.status is Status.STOPPED and vm.has_failed:
        return Reason.GIVEN_UP
    if vm.status in (Status.RUNNING, Status.STOPPED):
        return Reason.WANTS_NOTHING
    return Reason.OPERATOR  # on its way, with nobody to take it there


def _of_work(work: UnderWay, *, coming: bool) -> Reason:
    if work.parked_for in ("node", "operator"):
        return PARKED[work.parked_for]
    if work.kind is Kind.INTERRUPT and work.step is Step.ANNOUNCE:
        return Reason.NOTICE
    if work.in_line:
        return Reason.RECLAIM if coming else Reason.CAPACITY
    if work.leased:
        return Reason.WORKING
    if work.parked_for is not None:
        return PARKED[work.parked_for]
    return Reason.WORKER if work.due else Reason.RETRY


def _of_interrupted(vm: Standing) -> Reason:
    if vm.verdict is None:
        return Reason.OWNER
    return Reason.NODE_DRAINING if vm.node_draining else DECIDED[vm.verdict]


class BlockerKind(StrEnum):
    """What stands in the way."""

    OWN_VM = "own_vm"
    OTHER_VMS = "other_vms"
    LINE = "line"
    QUARANTINE = "quarantine"
    NODE = "node"
    ERROR = "error"


@dataclass(frozen=True)
class Blocker:
    """A fact that stands in the way. Only VMs of the same account are named; of others there are counts.

    `until`: when that ends, or when the last notice of those counted does.
    """

    kind: BlockerKind
    text: str
    vm_id: UUID | None = None
    rental_type: str | None = None
    vms: int | None = None
    gpus: int | None = None
    until: datetime | None = None


class RemedyKind(StrEnum):
    """What could be done."""

    WAIT = "wait"
    NODE = "node"
    START = "start"
    AUTO_RESTART = "auto_restart"
    RENTAL_TYPE = "rental_type"
    GPU_COUNT = "gpu_count"
    OWN_VM = "own_vm"
    REQUEST = "request"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Remedy:
    """What would end the wait. `node`, `rental_type`, `gpu_count`: what to ask for instead. `vm_id`: a VM of
    the same account to start or end. `seconds`: how long to wait."""

    kind: RemedyKind
    text: str
    node: str | None = None
    gpu_count: int | None = None
    rental_type: str | None = None
    vm_id: UUID | None = None
    seconds: int | None = None


@dataclass(frozen=True)
class Place:
    """A place in a line, counted from 1."""

    number: int
    of: int


@dataclass(frozen=True)
class Wait:
    """What there is to say of a wait. `waits_for`: one sentence; null when nothing is waited for."""

    waits_for: str | None
    since: datetime | None = None
    estimate: Estimate | None = None
    place: Place | None = None
    blockers: tuple[Blocker, ...] = ()
    remedies: tuple[Remedy, ...] = ()
