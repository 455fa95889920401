"""The pipelines: for each kind of operation its steps, and what they mean for the VM's status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.vms.statuses import Status


class Kind(StrEnum):
    """Kind of an operation."""

    CREATE = "create"
    DESTROY = "destroy"
    ROLL_BACK = "roll_back"


class Step(StrEnum):
    """An idempotent unit of an operation: one file in workers/steps, one Celery task."""

    RESERVE = "reserve"
    CLONE = "clone"
    CONFIGURE = "configure"
    BOOT = "boot"
    PROBE = "probe"
    SHUTDOWN = "shutdown"
    DELETE = "delete"
    RELEASE = "release"


@dataclass(frozen=True)
class Pipeline:
    """`enters`: the status that a step brings with it. `ends_in`: the status after the last step.

    `may_fail`: whether giving up is allowed; what cleans up never gives up, it waits for an operator.
    """

    steps: tuple[Step, ...]
    ends_in: Status
    may_fail: bool
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
        may_fail=True,
    ),
    Kind.DESTROY: Pipeline(
        steps=(Step.SHUTDOWN, Step.DELETE, Step.RELEASE),
        enters={Step.SHUTDOWN: Status.STOPPING},
        ends_in=Status.DESTROYED,
        may_fail=False,
    ),
    Kind.ROLL_BACK: Pipeline(
        steps=(Step.SHUTDOWN, Step.DELETE, Step.RELEASE),
        ends_in=Status.FAILED,
        may_fail=False,
    ),
}
