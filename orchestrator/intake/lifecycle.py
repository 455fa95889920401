"""What a request for a start, stop, restart or destroy means: one table over what is asked, what is under way
and the VM's status. Pure: the effects are in `asking`."""

from collections.abc import Mapping
from enum import Enum, StrEnum

from orchestrator.vms.pipelines import Kind
from orchestrator.vms.statuses import Status


class Asked(StrEnum):
    """What an owner may ask of a VM that exists."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    DESTROY = "destroy"


class Answer(Enum):
    """What becomes of a request."""

    BEGIN = "its operation begins"
    NOTHING = "it is so already, or will be without another operation"
    OVERTAKE = "what is under way ends at its next safe point, and its operation follows"
    SETTLE = "the VM is off as it was asked for: only its status changes"
    REFUSE = "what goes on does not allow it"


BEGIN, NOTHING, OVERTAKE, SETTLE, REFUSE = Answer

_COLUMNS = (Asked.START, Asked.STOP, Asked.RESTART, Asked.DESTROY)


def _row(*answers: Answer) -> Mapping[Asked, Answer]:
    return dict(zip(_COLUMNS, answers, strict=True))


UNDER_WAY: dict[Kind, Mapping[Asked, Answer]] = {
    # start, stop, restart, destroy
    Kind.CREATE: _row(NOTHING, REFUSE, REFUSE, OVERTAKE),
    Kind.START: _row(NOTHING, OVERTAKE, REFUSE, OVERTAKE),
    Kind.STOP: _row(REFUSE, NOTHING, REFUSE, OVERTAKE),
    Kind.RESTART: _row(NOTHING, OVERTAKE, NOTHING, OVERTAKE),
    Kind.INTERRUPT: _row(REFUSE, OVERTAKE, REFUSE, OVERTAKE),
    Kind.RESTORE: _row(NOTHING, OVERTAKE, REFUSE, OVERTAKE),
    Kind.DESTROY: _row(REFUSE, REFUSE, REFUSE, NOTHING),
    Kind.ROLL_BACK: _row(REFUSE, REFUSE, REFUSE, OVERTAKE),
}

AT_REST: dict[Status, Mapping[Asked, Answer]] = {
    # start, stop, restart, destroy
    Status.CREATING: _row(REFUSE, REFUSE, REFUSE, BEGIN),
    Status.STARTING: _row(REFUSE, REFUSE, REFUSE, BEGIN),
    Status.RUNNING: _row(NOTHING, BEGIN, BEGIN, BEGIN),
    Status.STOPPING: _row(REFUSE, REFUSE, REFUSE, BEGIN),
    Status.STOPPED: _row(BEGIN, NOTHING, REFUSE, BEGIN),
    Status.INTERRUPTED: _row(BEGIN, SETTLE, REFUSE, BEGIN),
    Status.OFFLINE: _row(REFUSE, REFUSE, REFUSE, BEGIN),
    Status.FAILED: _row(REFUSE, REFUSE, REFUSE, BEGIN),
    Status.DESTROYED: _row(REFUSE, REFUSE, REFUSE, NOTHING),
}

GOES_ON: dict[Kind | Status, str] = {
    Kind.CREATE: "is being created: wait until it runs, or delete it",
    Kind.START: "is being started: wait until it runs, or stop it",
    Kind.STOP: "is being stopped: start it once it is stopped",
    Kind.INTERRUPT: "is being interrupted: start it once it is interrupted, or stop it for good",
    Kind.RESTORE: "is being started again after its interruption: wait until it runs, or stop it",
    Kind.DESTROY: "is being destroyed",
    Kind.ROLL_BACK: "could not be created and is being removed: ask for a new one",
    Status.CREATING: "is creating: repeat this in a moment, or delete it",
    Status.STARTING: "is starting: repeat this in a moment",
    Status.STOPPING: "is stopping: repeat this in a moment",
    Status.STOPPED: "is stopped: start it",
    Status.INTERRUPTED: "is interrupted: start it",
    Status.OFFLINE: "is offline, its node does not answer: repeat this when it is back, or delete it",
    Status.FAILED: "has failed, and nothing is left of it: ask for a new one",
    Status.DESTROYED: "is destroyed: ask for a new one",
}
"""Why a request is refused, and what its sender can do."""


def decide(asked: Asked, status: Status, under_way: Kind | None) -> Answer:
    """The table's answer.

    `under_way` is where the VM is going: the kind of its live operation, or of the one to overtake that.
    """
    answer = AT_REST[status][asked] if under_way is None else UNDER_WAY[under_way][asked]
    if status is Status.OFFLINE and answer is OVERTAKE and asked is not Asked.DESTROY:
        return REFUSE  # a node that does not answer stops nothing
    return answer


def reason(status: Status, under_way: Kind | None) -> str:
    """What goes on, for the text of a refusal: it follows the name of the VM."""
    return GOES_ON[status if under_way is None or status is Status.OFFLINE else under_way]
