"""When the GPUs of a pool come free, as far as anybody knows: for who waits, and who thinks of asking."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from orchestrator.policy.estimates import AT_ONCE, Estimate, Usual, duration
from orchestrator.policy.explain import Blocker, BlockerKind
from orchestrator.policy.plan import Leaving, Pool
from orchestrator.vms.pipelines import Kind, Step

NOBODY_KNOWS = Estimate(None, "nobody knows when the VMs that hold the GPUs give them up")


@dataclass(frozen=True)
class Holder:
    """A VM that holds GPUs of the pool, and the step that it is at, if it goes on by itself. Seconds."""

    vm_id: UUID
    user_id: int
    rental_type: str
    status: str
    gpus: int
    at: tuple[Kind, Step] | None = None
    elapsed: float = 0
    notice_left: float = 0
    notice_until: datetime | None = None


@dataclass(frozen=True)
class InLine:
    """Somebody who waits for GPUs of the pool, and how many it misses."""

    vm_id: UUID
    missing: int
    pays: bool

    def takes(self, free: int) -> int:
        """How many of the free GPUs it is given: one that does not pay takes all that it misses, or none."""
        return min(self.missing, free) if self.pays or self.missing <= free else 0


@dataclass(frozen=True)
class Outlook:
    """A pool, who holds its GPUs, who is in line for them, and how long things usually take there.

    `notice`: how long a notice that is given now would run, in seconds.
    """

    node_id: str
    gpu_type: str
    pool: Pool
    holders: Mapping[UUID, Holder]
    line: tuple[InLine, ...]
    quarantined: int
    usual: Usual
    notice: float

    def awaits(self, vm_id: UUID) -> bool:
        """Whether a VM is in line."""
        return any(one.vm_id == vm_id for one in self.line)

    def place(self, vm_id: UUID) -> int:
        """Of a VM in line, counted from 1."""
        return [one.vm_id for one in self.line].index(vm_id) + 1

    def missing(self, count: int) -> int:
        """GPUs that the first so many in line miss."""
        return sum(one.missing for one in self.line[:count])

    def spare(self, *, without: UUID | None = None) -> int:
        """Free GPUs that nobody in line is given; `without` a VM, whose own GPUs would be free then."""
        free = self.pool.free + sum(one.gpus for one in self.holders.values() if one.vm_id == without)
        for one in self.line:
            if one.vm_id != without:
                free -= one.takes(free)
        return free

    def last_notice(self) -> datetime | None:
        """When the last notice that runs ends."""
        return max((one.notice_until for one in self.holders.values() if one.notice_until), default=None)

    def free_in(self, count: int, *, displacing: bool) -> Estimate:
        """Until `count` GPUs are free: those that are, those that come by themselves and, when `displacing`,
        those for which notice is given now."""
        reached = self.pool.free
        if reached >= count:
            return AT_ONCE
        for gpus, wait in self._leaving():
            if wait.seconds is None:
                return wait
            reached += gpus
            if reached >= count:
                return wait
        if not displacing or reached + sum(one.gpus for one in self.pool.displaceable) < count:
            return NOBODY_KNOWS
        notice = Estimate(self.notice, f"a notice of {duration(self.notice)}")
        return notice.then(self.usual.left(Kind.INTERRUPT, Step.SHUTDOWN))

    def _leaving(self) -> list[tuple[int, Estimate]]:
        """GPUs that come free by themselves, the soonest first."""
        waits = [(one.candidate.gpus, self._until_free(one)) for one in self.pool.leaving]
        return sorted(waits, key=lambda one: float("inf") if one[1].seconds is None else one[1].seconds)

    def _until_free(self, leaving: Leaving) -> Estimate:
        holder = next((one for one in self.holders.values() if one.vm_id == leaving.candidate.vm), None)
        if holder is None or holder.at is None:
            return NOBODY_KNOWS
        left = self.usual.left(*holder.at, holder.elapsed)
        if holder.at != (Kind.INTERRUPT, Step.ANNOUNCE):
            return left
        return Estimate(holder.notice_left, f"a notice that ends in {duration(holder.notice_left)}").then(
            left
        )

    def blockers(self, user_id: int, *, ahead: int, vm_id: UUID | None = None) -> tuple[Blocker, ...]:
        """What stands in the way of a VM or a request of that account, with so many in line before it: its
        owner's other VMs one by one, those of others in sums."""
        leaving = {one.candidate.vm for one in self.pool.leaving}
        own = [one for one in self.holders.values() if one.user_id == user_id and one.vm_id != vm_id]
        found = [_own(one, goes=one.vm_id in leaving) for one in own]
        others: dict[tuple[str, bool], list[Holder]] = {}
        for one in self.holders.values():
            if one.user_id != user_id:
                others.setdefault((one.rental_type, one.vm_id in leaving), []).append(one)
        found += [_others(vms, goes=goes) for (_, goes), vms in sorted(others.items())]
        if ahead:
            missing = self.missing(ahead)
            text = f"{ahead} before it in line still need {missing} GPUs"
            found.append(Blocker(BlockerKind.LINE, text, vms=ahead, gpus=missing))
        if self.quarantined:
            text = f"{self.quarantined} {self.gpu_type} GPUs of node {self.node_id} are in quarantine"
            found.append(Blocker(BlockerKind.QUARANTINE, text, gpus=self.quarantined))
        return tuple(found)


def _own(one: Holder, *, goes: bool) -> Blocker:
    what = "gives up" if goes else "holds"
    text = f"your {one.rental_type} VM {one.vm_id}, which is {one.status}, {what} {one.gpus} GPUs"
    return Blocker(
        BlockerKind.OWN_VM,
        text,
        vm_id=one.vm_id,
        rental_type=one.rental_type,
        vms=1,
        gpus=one.gpus,
        until=one.notice_until,
    )


def _others(vms: list[Holder], *, goes: bool) -> Blocker:
    gpus = sum(one.gpus for one in vms)
    what = "give up" if goes else "hold"
    text = f"{len(vms)} {vms[0].rental_type} VMs of other accounts {what} {gpus} GPUs"
    return Blocker(
        BlockerKind.OTHER_VMS,
        text,
        rental_type=vms[0].rental_type,
        vms=len(vms),
        gpus=gpus,
        until=max((one.notice_until for one in vms if one.notice_until), default=None),
    )
