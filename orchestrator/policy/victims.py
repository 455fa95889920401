"""Whom a paying request displaces: the smallest harm, found exactly."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

Harm = tuple[int, float, int]
"""VMs, GPU-seconds of work since their last starts, recent interruptions: compared in this order."""


@dataclass(frozen=True)
class Candidate:
    """An interruptible VM that may be displaced now.

    `gpus`: how many become usable when it goes. `lost_seconds`: time since its last start. `interruptions`:
    recent ones.
    """

    vm: Hashable
    gpus: int
    lost_seconds: float
    interruptions: int

    @property
    def harm(self) -> Harm:
        return 1, self.gpus * self.lost_seconds, self.interruptions


def choose_victims(candidates: Sequence[Candidate], need: int) -> tuple[Candidate, ...] | None:
    """Who goes so that at least `need` GPUs are freed. None: not enough even if all went.

    Fewest GPUs beyond the need, then fewest VMs, then least lost work, then fewest recent interruptions.

    Exact, and none of the chosen is superfluous: the least harm for each number of GPUs, one candidate after
    the other; on equal harm the earlier candidates stay.
    """
    if need <= 0:
        return ()
    best: dict[int, tuple[Harm, tuple[Candidate, ...]]] = {0: ((0, 0.0, 0), ())}
    for candidate in candidates:
        if candidate.gpus <= 0:
            continue
        for freed, (harm, chosen) in sorted(best.items(), reverse=True):
            if freed >= need:
                continue  # enough already: one more would be superfluous
            more = freed + candidate.gpus
            worse = _add(harm, candidate.harm)
            if more not in best or worse < best[more][0]:
                best[more] = worse, (*chosen, candidate)
    enough = [freed for freed in best if freed >= need]
    return best[min(enough)][1] if enough else None


def _add(one: Harm, other: Harm) -> Harm:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]
