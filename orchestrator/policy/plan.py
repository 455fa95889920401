"""Who makes room for whom on one node: from a snapshot of its GPUs of one type to what should happen."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import inf

from orchestrator.policy.victims import Candidate, choose_victims

Pairs = tuple[tuple[Hashable, Hashable], ...]
"""A VM that goes, and the VM for which it does."""
NO_DELAY = 1.0
"""Seconds: what was announced together does not end at the very same moment."""


@dataclass(frozen=True)
class Waiter:
    """A paying VM in line, how many GPUs it still misses, and how long it has waited."""

    vm: Hashable
    missing: int
    waited_seconds: float = 0


@dataclass(frozen=True)
class Leaving:
    """A VM whose GPUs come free soon. `may_stay`: its notice runs and can still be called off.

    `seconds_left`: of its notice. `goes_for`: who was to get its GPUs when the notice was given.
    """

    candidate: Candidate
    may_stay: bool = False
    seconds_left: float = 0
    goes_for: Hashable | None = None


@dataclass(frozen=True)
class Pool:
    """The GPUs of one type on one node. `waiters` are in line, the first served first.

    `displaceable`: interruptible VMs that run. `later`: GPUs of interruptible VMs that are on their way to
    running and can be displaced then.
    """

    free: int = 0
    waiters: tuple[Waiter, ...] = ()
    displaceable: tuple[Candidate, ...] = ()
    leaving: tuple[Leaving, ...] = ()
    later: int = 0

    @property
    def coming(self) -> int:
        """GPUs that are free or on their way, without displacing anybody more."""
        return self.free + _gpus(one.candidate for one in self.leaving)

    @property
    def servable(self) -> bool:
        """Whether free GPUs lie there that somebody waits for: they came without anybody's release."""
        return self.free > 0 and bool(self.waiters)

    @property
    def ever(self) -> int:
        """All GPUs that those who wait can get."""
        return self.coming + _gpus(self.displaceable) + self.later

    @property
    def reclaimable(self) -> int:
        """What is left of them for one more, behind those who wait."""
        return max(0, self.ever - sum(waiter.missing for waiter in self.waiters))


@dataclass(frozen=True)
class Plan:
    """`displace`: whom, for whom. `hand_over`: whose notice goes on for somebody else now. `call_off`: whose
    notice is withdrawn. `give_up`: who has waited long, and in vain."""

    displace: Pairs = ()
    hand_over: Pairs = ()
    call_off: tuple[Hashable, ...] = ()
    give_up: tuple[Hashable, ...] = ()


def plan(pool: Pool, patience_seconds: float) -> Plan:
    """What to do now. Nobody is displaced for GPUs that are coming anyway, and nobody beyond the need.

    Who waits in vain keeps its place for `patience_seconds`, as GPUs may be mended, but nobody is displaced
    for it.
    """
    hopeless = {waiter.vm: waiter.waited_seconds for waiter in in_vain(pool)}
    line = tuple(takewhile(lambda waiter: waiter.vm not in hopeless, pool.waiters))
    victims = _victims(pool, line)
    last = NO_DELAY * 2 + max((one.seconds_left for one in pool.leaving), default=0)
    coming = [*pool.leaving, *(Leaving(victim, seconds_left=last) for victim in victims)]
    go_on = _needed(pool.free, coming, line)
    whom = _for_whom(pool.free, go_on, line)
    waiting = {waiter.vm for waiter in line}
    return Plan(
        displace=tuple((victim.vm, whom[victim.vm]) for victim in victims),
        hand_over=tuple(
            (one.candidate.vm, whom[one.candidate.vm])
            for one in go_on
            if one.may_stay and one.goes_for not in waiting and one.candidate.vm in whom
        ),
        call_off=tuple(one.candidate.vm for one in pool.leaving if one not in go_on),
        give_up=tuple(vm for vm, waited in hopeless.items() if waited >= patience_seconds),
    )


def in_vain(pool: Pool) -> list[Waiter]:
    """Whose GPUs can never come, however well all goes for those before it."""
    reached, hopeless = 0, []
    for waiter in pool.waiters:
        if reached + waiter.missing > pool.ever:
            hopeless.append(waiter)
        else:
            reached += waiter.missing
    return hopeless


def _victims(pool: Pool, line: Sequence[Waiter]) -> tuple[Candidate, ...]:
    """Victims for as many as can be served, in line: who cannot be served yet stops those behind it."""
    for served in range(len(line), 0, -1):
        missing = sum(waiter.missing for waiter in line[:served])
        victims = choose_victims(pool.displaceable, missing - pool.coming)
        if victims is not None:
            return victims
    return ()


def _needed(free: int, coming: Sequence[Leaving], line: Sequence[Waiter]) -> list[Leaving]:
    """Put back: without those whose notice can be called off and nobody in line would wait longer for it. The
    last to go are looked at first, of those the ones with most GPUs and most work to lose."""
    go_on, times = list(coming), _served(free, coming, line)
    missing = sum(waiter.missing for waiter in line)
    for one in sorted((one for one in coming if one.may_stay), key=_last_and_most, reverse=True):
        total = free + _gpus(other.candidate for other in go_on)
        if total - one.candidate.gpus < missing <= total:
            continue  # the shortest answer, and the usual one
        rest = [other for other in go_on if other is not one]
        without = _served(free, rest, line)
        if _no_later(without, times):
            go_on, times = rest, without
    return go_on


def _last_and_most(one: Leaving) -> tuple[float, int, float]:
    return round(one.seconds_left), one.candidate.gpus, one.candidate.lost_seconds


def _no_later(times: Sequence[float], before: Sequence[float]) -> bool:
    return all(time <= was + NO_DELAY for time, was in zip(times, before, strict=True))


def _served(free: int, coming: Iterable[Leaving], line: Sequence[Waiter]) -> list[float]:
    """When each in line has its GPUs, in seconds from now; never: infinite."""
    arrivals = iter(sorted(coming, key=lambda one: one.seconds_left))
    times, here, now, reached = [], free, 0.0, 0
    for waiter in line:
        reached += waiter.missing
        while here < reached:
            one = next(arrivals, None)
            if one is None:
                now = inf
                break
            here, now = here + one.candidate.gpus, one.seconds_left
        times.append(now)
    return times


def _for_whom(free: int, coming: Iterable[Leaving], line: Sequence[Waiter]) -> dict[Hashable, Hashable]:
    """The GPUs that come next go to the first in line who is not served by those before."""
    whom: dict[Hashable, Hashable] = {}
    here = free
    for one in sorted(coming, key=lambda one: one.seconds_left):
        reached = 0
        for waiter in line:
            reached += waiter.missing
            if here < reached:
                whom[one.candidate.vm] = waiter.vm
                break
        here += one.candidate.gpus
    return whom


def _gpus(candidates: Iterable[Candidate]) -> int:
    return sum(candidate.gpus for candidate in candidates)
