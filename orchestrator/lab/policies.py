"""The policies that are compared: how victims are chosen, and when interruptible VMs may take free GPUs."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from orchestrator.policy.rules import Rules
from orchestrator.policy.victims import Candidate, choose_victims

Victims = tuple[Candidate, ...] | None
Choose = Callable[[Sequence[Candidate], int, random.Random], Victims]
CHECKPOINT_SECONDS = 3600.0
FOR_EVER = 1e12


def ours(candidates: Sequence[Candidate], need: int, _: random.Random) -> Victims:
    """The product's own choice."""
    return choose_victims(candidates, need)


def at_random(candidates: Sequence[Candidate], need: int, rng: random.Random) -> Victims:
    """Any that suffice."""
    return _put_back(rng.sample(list(candidates), len(candidates)), need)


def youngest(candidates: Sequence[Candidate], need: int, _: random.Random) -> Victims:
    """Most recently started first, put back where not needed (Slurm, PBS, Kueue)."""
    return _put_back(sorted(candidates, key=lambda one: one.lost_seconds), need)


def largest(candidates: Sequence[Candidate], need: int, _: random.Random) -> Victims:
    """Most GPUs first."""
    return _put_back(sorted(candidates, key=lambda one: (-one.gpus, one.lost_seconds)), need)


def least_lost(candidates: Sequence[Candidate], need: int, _: random.Random) -> Victims:
    """Least work since the last checkpoint first (the aim of Lyra and GFS)."""
    return _put_back(
        sorted(candidates, key=lambda one: one.gpus * (one.lost_seconds % CHECKPOINT_SECONDS)), need
    )


def _put_back(ordered: Sequence[Candidate], need: int) -> Victims:
    chosen: list[Candidate] = []
    for candidate in ordered:
        if sum(one.gpus for one in chosen) < need:
            chosen.append(candidate)
    freed = sum(one.gpus for one in chosen)
    if freed < need:
        return None
    for candidate in reversed(chosen.copy()):
        if freed - candidate.gpus >= need:
            chosen.remove(candidate)
            freed -= candidate.gpus
    return tuple(chosen)


@dataclass(frozen=True)
class Policy:
    """One arm of a comparison. Without `choose` nobody is displaced: who finds no room waits.

    `lost_work_first`: where placement is free, the node with the least lost work is taken, whatever else.
    """

    choose: Choose | None
    rules: Rules
    lost_work_first: bool = False


def static(share: float) -> Rules:
    """A headroom that never changes, for starts and restarts; cool-down of 300 s that doubles up to 4 h."""
    return Rules(headroom=share, headroom_most=share, cool_down_seconds=300, longest_wait_seconds=FOR_EVER)


NONE = static(0)
DEFAULT = Rules()

POLICIES: dict[str, Policy] = {
    "wait": Policy(None, NONE),
    "random": Policy(at_random, NONE),
    "youngest": Policy(youngest, NONE),
    "largest": Policy(largest, NONE),
    "least-lost": Policy(least_lost, NONE, lost_work_first=True),
    "ours": Policy(ours, DEFAULT),
    "ours-no-cool-down": Policy(ours, replace(DEFAULT, cool_down_seconds=0)),
    "ours-no-headroom": Policy(ours, replace(DEFAULT, headroom=0, headroom_most=0)),
    "ours-restarts-only": Policy(ours, replace(DEFAULT, headroom_for_new=False)),
    "youngest-our-rules": Policy(youngest, DEFAULT),
    "static-2.5": Policy(ours, static(0.025)),
    "static-5": Policy(ours, static(0.05)),
    "static-7.5": Policy(ours, static(0.075)),
    "static-10": Policy(ours, static(0.10)),
}
"""By name. None of them knows how long a VM will run."""
MAIN = ("youngest", "static-5", "ours")
