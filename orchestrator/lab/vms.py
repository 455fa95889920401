"""VMs of the lab, and the line of those that found no room."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Literal

from orchestrator.lab.trace import DAY, Request

Variant = Literal["N", "P", "F"]
"""N: an interrupted VM comes back on its own node. P: placement is free. F: as N, and the node of each
request is fixed beforehand."""


@dataclass
class Waiter:
    """An on-demand VM whose GPUs are being reclaimed, and how many it still misses."""

    vm: "Vm"
    missing: int


@dataclass
class Vm:
    """A request's VM. `wants`: the only node that it may be on. `left`: seconds of work still to do. `run`:
    which of its runs this is, and of that `overhead`: seconds before it works, `noticed_work`: seconds of
    work when it was given notice.

    `ran`, `lost`, `restarting`: seconds of its runs so far, and of those without use.
    """

    request: Request
    interruptible: bool
    wants: int | None
    left: float
    node: int = 0
    started: float = 0.0
    overhead: float = 0.0
    noticed_work: float = 0.0
    run: int = 0
    down_since: float | None = None
    goes_for: Waiter | None = None
    interrupted: list[float] = field(default_factory=list)
    ran: float = 0.0
    lost: float = 0.0
    restarting: float = 0.0

    @property
    def id(self) -> str:
        return self.request.id

    @property
    def gpus(self) -> int:
        return self.request.gpus

    def work(self, now: float) -> float:
        """Seconds of work in its present run."""
        return max(0.0, now - self.started - self.overhead)

    def recent(self, now: float) -> int:
        """Interruptions of the last day."""
        return sum(at > now - DAY for at in self.interrupted)


class Queue:
    """Requests that found no room, by node and size: when one size finds none, no larger one does."""

    def __init__(self) -> None:
        self._lines: dict[tuple[int | None, int], deque[Vm]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def __iter__(self) -> Iterator[Vm]:
        return (vm for line in self._lines.values() for vm in line)

    def add(self, vm: Vm) -> None:
        self._lines.setdefault((vm.wants, vm.gpus), deque()).append(vm)

    def serve(self, place: Callable[[Vm], bool]) -> None:
        """Place as many as possible, the oldest first."""
        without: dict[int | None, int] = {}
        """By node the smallest size that found no room there."""
        fronts = [
            (line[0].request.arrival, number, *key, line)
            for number, (key, line) in enumerate(self._lines.items())
            if line
        ]
        heapify(fronts)
        while fronts:
            _, number, node, size, line = heappop(fronts)
            if size >= without.get(node, size + 1):
                continue
            if not place(line[0]):
                without[node] = size
                continue
            line.popleft()
            if line:
                heappush(fronts, (line[0].request.arrival, number, node, size, line))
