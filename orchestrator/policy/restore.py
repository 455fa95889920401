"""Who comes back, and when: interrupted VMs on their own nodes, and new interruptible ones."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from orchestrator.policy.rules import Rules


@dataclass(frozen=True)
class Interrupted:
    """A VM that waits to come back. `interruptions`: recent ones, this one and failed restores included.

    `interrupted_at` is in seconds on the same clock as `now`.
    """

    vm: Hashable
    node: str
    gpus: int
    interrupted_at: float
    interruptions: int

    @property
    def turn(self) -> tuple[int, float]:
        """Its place in the order of return: those displaced often first, then by their interruption."""
        return -self.interruptions, self.interrupted_at


@dataclass(frozen=True)
class Fleet:
    """The GPUs of one type.

    `free`: by node, what no paying request waits for; nodes that take no VMs are left out. `demand`: what
    paying requests took in the last `rules.DEMAND_SECONDS`.
    """

    total: int
    free: Mapping[str, int]
    demand: int = 0

    def spare(self, rules: Rules) -> int:
        """Free GPUs beyond the headroom."""
        return sum(self.free.values()) - rules.kept_free(self.total, self.demand)


class Verdict(Enum):
    """What becomes of a VM that waits to come back."""

    RESTORE = "restore"
    COOLING_DOWN = "cooling_down"
    NO_ROOM = "no_room"
    HEADROOM = "headroom"


@dataclass(frozen=True)
class Decision:
    """`not_before`: when a wait that is only a matter of time ends (same clock as `now`)."""

    vm: Hashable
    verdict: Verdict
    not_before: float | None = None


def decide_restores(waiting: Sequence[Interrupted], fleet: Fleet, now: float, rules: Rules) -> list[Decision]:
    """For each waiting VM what becomes of it, in the order in which they are served."""
    free = dict(fleet.free)
    spare = fleet.spare(rules)
    decisions = []
    for vm in sorted(waiting, key=lambda vm: vm.turn):
        ready = vm.interrupted_at + rules.cool_down(vm.interruptions)
        let_through = vm.interrupted_at + rules.longest_wait_seconds
        if now < ready:
            decisions.append(Decision(vm.vm, Verdict.COOLING_DOWN, ready))
        elif free.get(vm.node, 0) < vm.gpus:
            decisions.append(Decision(vm.vm, Verdict.NO_ROOM))
        elif vm.gpus > spare and now < let_through:
            decisions.append(Decision(vm.vm, Verdict.HEADROOM, let_through))
        else:
            free[vm.node] -= vm.gpus
            spare -= vm.gpus
            decisions.append(Decision(vm.vm, Verdict.RESTORE))
    return decisions


def admits_new(fleet: Fleet, node: str, gpus: int, rules: Rules) -> bool:
    """Whether a new interruptible VM may start there now."""
    here = fleet.free.get(node, 0)
    return gpus <= (min(here, fleet.spare(rules)) if rules.headroom_for_new else here)
