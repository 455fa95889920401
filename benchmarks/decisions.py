"""Pure decisions on a large fleet: 1,000 nodes, 8,000 GPUs, 8,000 VMs and 1,000 that wait, or nothing to do.

Yardstick, in the same run: sorting 8,000 VMs by two keys, which no order of victims or restores could do
without. No database; `benchmarks/ticks.py` measures the whole ticks. Run: `python -m benchmarks.decisions`.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence

from orchestrator.policy.plan import Pool, Waiter, plan
from orchestrator.policy.restore import Fleet, Interrupted, decide_restores
from orchestrator.policy.rules import Rules
from orchestrator.policy.victims import Candidate, choose_victims

NODES = 1000
GPUS = 8
WAITING = 1000
ROUNDS = 25
BAR_MS, IDLE_BAR_MS = 200, 20
PATIENCE_SECONDS = 1800
DAY = 86_400
RULES = Rules()
RNG = random.Random(1)


def milliseconds(work: Callable[[], object]) -> float:
    """Median of several rounds, after one that warms up."""
    took = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took[1:])


def candidates(node: int) -> tuple[Candidate, ...]:
    """Eight VMs of one GPU each: the most that a node can have, and the hardest choice."""
    return tuple(Candidate((node, slot), 1, RNG.uniform(0, DAY), RNG.randrange(4)) for slot in range(GPUS))


def interrupted(number: int) -> Interrupted:
    size = RNG.choice((1, 1, 2, 4))
    return Interrupted(number, str(RNG.randrange(NODES)), size, RNG.uniform(0, DAY), RNG.randrange(1, 5))


def reclaims(pools: Sequence[Pool]) -> None:
    for pool in pools:
        plan(pool, PATIENCE_SECONDS)


def report(what: str, took: float, bar: float, yardstick: float) -> None:
    print(f"{what:58} {took:8.2f} ms   bar {bar:3.0f} ms   {took / yardstick:7.2f} × yardstick")


def main() -> None:
    nodes = [candidates(node) for node in range(NODES)]
    vms = [vm for node in nodes for vm in node]
    busy = [Pool(0, (Waiter(("paying", n), RNG.choice((1, 2, 4)), 60.0),), nodes[n]) for n in range(NODES)]
    idle = [Pool(0, (), node) for node in nodes]
    waiting = [interrupted(number) for number in range(WAITING)]
    fleet = Fleet(NODES * GPUS, {str(node): RNG.randrange(3) for node in range(NODES)}, demand=50)

    yardstick = milliseconds(lambda: sorted(vms, key=lambda vm: (vm.interruptions, vm.lost_seconds)))
    print(f"{'yardstick: sort 8,000 VMs':58} {yardstick:8.2f} ms")
    for what, work, bar in (
        ("reclaim: plan 1,000 nodes, one waits on each", lambda: reclaims(busy), BAR_MS),
        ("reclaim: plan 1,000 nodes, nobody waits", lambda: reclaims(idle), IDLE_BAR_MS),
        ("victims: choose 1,000 times of 8", lambda: [choose_victims(node, 3) for node in nodes], BAR_MS),
        ("restore: decide 1,000", lambda: decide_restores(waiting, fleet, DAY, RULES), BAR_MS),
        ("restore: nobody is interrupted", lambda: decide_restores((), fleet, DAY, RULES), IDLE_BAR_MS),
    ):
        report(what, milliseconds(work), bar, yardstick)


if __name__ == "__main__":
    main()
