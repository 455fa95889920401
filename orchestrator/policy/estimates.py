"""How long things will take, and what that rests on. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.vms.pipelines import PIPELINES, Kind, Step

UNTIMED = frozenset({Step.RESERVE, Step.ANNOUNCE})
"""They take as long as what they wait for, which is told for itself."""


@dataclass(frozen=True)
class Estimate:
    """Seconds from now, and what that rests on. None: nobody knows, and `basis` says why."""

    seconds: float | None
    basis: str

    def then(self, other: "Estimate") -> "Estimate":
        """One after the other."""
        if self.seconds is None:
            return self
        basis = "; then ".join(part for part in (self.basis, other.basis) if part)
        return Estimate(None if other.seconds is None else self.seconds + other.seconds, basis)


AT_ONCE = Estimate(0, "")


@dataclass(frozen=True)
class Sample:
    """What operations of one kind took: median seconds by step, of how many operations, and where."""

    steps: Mapping[Step, float]
    count: int
    where: str


@dataclass(frozen=True)
class Usual:
    """What operations usually take."""

    samples: Mapping[Kind, Sample]

    def left(self, kind: Kind, step: Step, elapsed: float = 0) -> Estimate:
        """Until an operation is done that has been at `step` for `elapsed` seconds."""
        timed = [one for one in PIPELINES[kind].rest(step) if one not in UNTIMED]
        sample = self.samples.get(kind)
        if sample is None or any(one not in sample.steps for one in timed):
            return Estimate(None, f"no {kind} has ended well yet that would show how long one takes")
        seconds = {one: sample.steps[one] for one in timed}
        if step in seconds:
            seconds[step] = max(0.0, seconds[step] - elapsed)
        named = ", ".join(f"{one} {duration(seconds[one])}" for one in timed)
        late = f"; {step} takes longer than usual" if elapsed and seconds.get(step) == 0 else ""
        basis = f"{named} (medians of the last {sample.count} of kind {kind}, {sample.where}){late}"
        return Estimate(sum(seconds.values()), basis)


def duration(seconds: float) -> str:
    """For people."""
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= 3 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
