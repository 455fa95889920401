"""The pipelines: for each kind of operation its steps, and what they mean for the VM's status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.vms.statuses import Status


class Kind(StrEnum):
    """Kind of an operation."""

    CREATE = "create"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    INTERRUPT = "interrupt"
    RESTORE = "restore"
    DESTROY = "destroy"
    ROLL_BACK = "roll_back"


class Step(StrEnum):
    """An idempotent unit of an operation: one file in workers/steps, one Celery task."""

    RESERVE = "reserve"
    CLONE = "clone"
    CONFIGURE = "configure"
    BOOT = "boot"
    PROBE = "probe"
    ANNOUNCE = "announce"
    SHUTDOWN = "shutdown"
    DELETE = "delete"
    RELEASE = "release"


@dataclass(frozen=True)
class Pipeline:
    """`enters`: the status that a step brings with it. `ends_in`: the status after the last step.

    `undo`: the operation that follows when this one is given up, and the step it begins at. None: what cleans
    up never gives up, it waits for an operator.
    """

    steps: tuple[Step, ...]
    ends_in: Status
    undo: tuple[Kind, Step] | None = None
    enters: Mapping[Step, Status] = field(default_factory=dict)

    def after(self, step: Step) -> Step | None:
        """The step that follows, or None after the last."""
        following = self.steps[self.steps.index(step) + 1 :]
        return following[0] if following else None

    def rest(self, step: Step) -> tuple[Step, ...]:
        """`step` and all that follow it."""
        return self.steps[self.steps.index(step) :]


PIPELINES: dict[Kind, Pipeline] = {
    Kind.CREATE: Pipeline(
        steps=(Step.RESERVE, Step.CLONE, Step.CONFIGURE, Step.BOOT, Step.PROBE),
        enters={Step.BOOT: Status.STARTING},
        ends_in=Status.RUNNING,
        undo=(Kind.ROLL_BACK, Step.SHUTDOWN),
    ),
    Kind.START: Pipeline(
        steps=(Step.RESERVE, Step.CONFIGURE, Step.BOOT, Step.PROBE),
        enters={Step.RESERVE: Status.STARTING},
        ends_in=Status.RUNNING,
        undo=(Kind.STOP, Step.SHUTDOWN),
    ),
    Kind.STOP: Pipeline(
        steps=(Step.SHUTDOWN, Step.RELEASE),
        enters={Step.SHUTDOWN: Status.STOPPING},
        ends_in=Status.STOPPED,
    ),
    Kind.RESTART: Pipeline(
        steps=(Step.SHUTDOWN, Step.BOOT, Step.PROBE),
        enters={Step.SHUTDOWN: Status.STOPPING, Step.BOOT: Status.STARTING},
        ends_in=Status.RUNNING,
        undo=(Kind.STOP, Step.SHUTDOWN),
    ),
    Kind.INTERRUPT: Pipeline(
        steps=(Step.ANNOUNCE, Step.SHUTDOWN, Step.RELEASE),
        enters={Step.SHUTDOWN: Status.STOPPING},
        ends_in=Status.INTERRUPTED,
    ),
    Kind.RESTORE: Pipeline(
        steps=(Step.RESERVE, Step.CONFIGURE, Step.BOOT, Step.PROBE),
        enters={Step.RESERVE: Status.STARTING},
        ends_in=Status.RUNNING,
        undo=(Kind.INTERRUPT, Step.SHUTDOWN),
    ),
    Kind.DESTROY: Pipeline(
        steps=(Step.SHUTDOWN, Step.DELETE, Step.RELEASE),
        enters={Step.SHUTDOWN: Status.STOPPING},
        ends_in=Status.DESTROYED,
    ),
    Kind.ROLL_BACK: Pipeline(
        steps=(Step.SHUTDOWN, Step.DELETE, Step.RELEASE),
        ends_in=Status.FAILED,
    ),
}
