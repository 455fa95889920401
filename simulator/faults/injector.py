"""Armed faults, and the question that every fragile place asks: does one strike here?"""

import re
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

from simulator.faults.catalogue import CATALOGUE, Moment


@dataclass(frozen=True)
class Fault:
    """A fault to arm. Whatever is left out matches everything.

    `path` is a regular expression searched in the API path after `/api2/json`; at places behind a task
    `method` and `path` mean the call that started it. `seconds` are simulated.
    """

    name: str
    method: str | None = None
    path: str | None = None
    node: str | None = None
    vmid: int | None = None
    times: int | None = 1
    """How often it strikes; None is always."""
    skip: int = 0
    """How many matches pass unharmed first."""
    probability: float = 1.0
    seconds: float | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        if self.name not in CATALOGUE:
            raise ValueError(f"no fault is called {self.name!r}")
        if self.path is not None:
            re.compile(self.path)

    @property
    def moment(self) -> Moment:
        return CATALOGUE[self.name].moment


@dataclass(frozen=True)
class Place:
    """Where something may go wrong."""

    node: str | None = None
    vmid: int | None = None
    method: str = ""
    path: str = ""


@dataclass(frozen=True)
class Hit:
    """A fault that struck."""

    fault: Fault
    place: Place


@dataclass
class _Armed:
    number: int
    fault: Fault
    seen: int = 0
    struck: int = 0

    def matches(self, place: Place) -> bool:
        fault = self.fault
        return (
            (fault.method is None or fault.method == place.method)
            and (fault.path is None or re.search(fault.path, place.path) is not None)
            and (fault.node is None or fault.node == place.node)
            and (fault.vmid is None or fault.vmid == place.vmid)
            and (fault.times is None or self.struck < fault.times)
        )


@dataclass
class Faults:
    """The armed faults of a simulator."""

    rng: Random
    hits: list[Hit] = field(default_factory=list)
    _armed: list[_Armed] = field(default_factory=list)
    _count: int = 0

    def add(self, fault: Fault) -> int:
        """Arm a fault; returns its number."""
        self._count += 1
        self._armed.append(_Armed(self._count, fault))
        return self._count

    def remove(self, number: int) -> bool:
        """Disarm one; was it there?"""
        before = len(self._armed)
        self._armed = [armed for armed in self._armed if armed.number != number]
        return len(self._armed) < before

    def clear(self) -> None:
        """Disarm all; what struck stays on record."""
        self._armed.clear()

    def armed(self) -> list[dict[str, Any]]:
        """The armed faults with their numbers and counts."""
        return [{"number": a.number, "struck": a.struck, **asdict(a.fault)} for a in self._armed]

    def strikes(self, which: str | Moment, place: Place) -> Fault | None:
        """The armed fault of that name, or of that moment, that strikes now."""
        for armed in self._armed:
            if which not in (armed.fault.name, armed.fault.moment) or not armed.matches(place):
                continue
            armed.seen += 1
            if armed.seen <= armed.fault.skip or self.rng.random() >= armed.fault.probability:
                continue
            armed.struck += 1
            self.hits.append(Hit(armed.fault, place))
            return armed.fault
        return None
