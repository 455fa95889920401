"""What becomes of a VM whose hypervisor shows something else than the store has. Pure: tables over facts."""

from dataclasses import dataclass
from enum import Enum

from orchestrator.fleet.sightings import Shown
from orchestrator.vms.pipelines import PIPELINES, Kind, Step
from orchestrator.vms.statuses import Status, legal

LOOKS = 2
"""Looks in a row that show the same before a VM is looked at closely."""
FEW = 3
SHARE = 0.25


@dataclass(frozen=True)
class Facts:
    """A VM that has not ended, as the store has it.

    `before` is its status before its node went offline. `went_down`: it was running before its node rebooted,
    and has not been started since.
    """

    status: Status
    before: Status | None
    rental_type: str
    under_way: tuple[Kind, Step] | None
    node_offline: bool
    went_down: bool

    @property
    def should_run(self) -> bool:
        """Whether the store has it running, or had when it was last in sight."""
        return (self.before or self.status) is Status.RUNNING


class Verdict(Enum):
    """What a look at the listing means."""

    AGREES = "it is as it should be, or its operation sees to it"
    WAITS = "nothing can be said now"
    OUT_OF_SIGHT = "its node is offline, and so is the VM"
    BACK = "it is in sight again, as it was"
    DOUBTED = "it has to be looked at closely, if later looks show the same"


def judge(vm: Facts, shown: Shown) -> Verdict:
    """What the listing says about a VM."""
    offline = vm.status is Status.OFFLINE
    if vm.node_offline:
        return Verdict.WAITS if offline else Verdict.OUT_OF_SIGHT
    if vm.under_way is not None:
        return Verdict.BACK if offline else Verdict.AGREES
    if offline and not vm.should_run:
        return Verdict.BACK  # whether it is off is looked at next
    if shown is Shown.UNKNOWN:
        return Verdict.WAITS
    if shown is not (Shown.RUNNING if vm.should_run else Shown.STOPPED):
        return Verdict.DOUBTED
    if not offline:
        return Verdict.AGREES
    return Verdict.DOUBTED if vm.went_down else Verdict.BACK


def looks_needed(vm: Facts) -> int:
    """How many looks have to show the same. After an outage or a reboot a closer look follows at once."""
    return 1 if vm.status is Status.OFFLINE or vm.went_down else LOOKS


class Proof(Enum):
    """What a worker found when it asked for this very VM, not for the listing."""

    ON = "our VM, running, on its node"
    OFF = "our VM, off, on its node"
    GONE = "nothing has its VMID"
    UNCLEAR = "it is elsewhere, locked, hidden or somebody else's"


class Remedy(Enum):
    """What is done about it."""

    NOTHING = "an operator may have to look at it; the sweep reports it"
    FORGET = "it is as it should be after all"
    BACK = "it was only out of sight"
    START = "it went down with its node and is started again"
    INTERRUPT = "it went down with its node and is interrupted by that"
    STOP = "its guest powered itself off: as if asked for"
    SWITCH_OFF = "somebody started it by hand, without GPUs of its own"
    DESTROY = "somebody deleted it on the hypervisor"


def remedy(vm: Facts, proof: Proof) -> Remedy:
    """What to do about a VM without an operation, whose node is there."""
    offline = vm.status is Status.OFFLINE
    if proof is Proof.UNCLEAR:
        return Remedy.NOTHING
    if proof is Proof.GONE:
        return Remedy.DESTROY
    if vm.should_run and proof is Proof.OFF:
        if not offline and not vm.went_down:
            return Remedy.STOP
        return Remedy.INTERRUPT if vm.rental_type == "interruptible" else Remedy.START
    if not vm.should_run and proof is Proof.ON:
        return Remedy.SWITCH_OFF
    return Remedy.BACK if offline else Remedy.FORGET


def too_many_gone(gone: int, vms: int) -> bool:
    """Whether so many of a cluster's VMs are gone that its endpoint or token may show another cluster: then
    nothing is concluded."""
    return gone > FEW and gone > SHARE * vms


def status_of(under_way: tuple[Kind, Step] | None, before: Status) -> Status:
    """The status of a VM that was `before` and whose operation stands at that step."""
    if under_way is None:
        return before
    kind, step = under_way
    pipeline = PIPELINES[kind]
    status = before
    for passed in pipeline.steps[: pipeline.steps.index(step) + 1]:
        entered = pipeline.enters.get(passed)
        if entered is not None and legal(status, entered):
            status = entered
    return status
