"""When GPUs come free: those that are, those that come by themselves, those for which notice is given."""

from uuid import UUID, uuid4

import pytest

from orchestrator.policy.estimates import Sample, Usual
from orchestrator.policy.outlook import Holder, InLine, Outlook
from orchestrator.policy.plan import Leaving, Pool
from orchestrator.policy.victims import Candidate
from orchestrator.vms.pipelines import Kind, Step

A, B, C = (uuid4() for _ in range(3))
USUAL = Usual(
    {
        Kind.INTERRUPT: Sample({Step.SHUTDOWN: 10, Step.RELEASE: 1}, 3, "vm01"),
        Kind.STOP: Sample({Step.SHUTDOWN: 20, Step.RELEASE: 1}, 3, "vm01"),
    }
)
ANNOUNCE = (Kind.INTERRUPT, Step.ANNOUNCE)
STOP = (Kind.STOP, Step.SHUTDOWN)


def candidate(vm: UUID, gpus: int) -> Candidate:
    return Candidate(vm, gpus, 0, 0)


def leaves(vm: UUID, gpus: int) -> Leaving:
    return Leaving(candidate(vm, gpus), may_stay=False)


def look(
    *holders: Holder,
    free: int = 0,
    displaceable: tuple[Candidate, ...] = (),
    leaving: tuple[Leaving, ...] = (),
    line: tuple[InLine, ...] = (),
    usual: Usual = USUAL,
) -> Outlook:
    pool = Pool(free=free, displaceable=displaceable, leaving=leaving)
    return Outlook("vm01", "5090", pool, {one.vm_id: one for one in holders}, line, 0, usual, notice=120)


def holder(vm: UUID, at: tuple[Kind, Step] | None, *, elapsed: float = 0, notice: float = 0) -> Holder:
    return Holder(vm, 1, "interruptible", "running", 2, at, elapsed, notice)


@pytest.mark.parametrize(
    ("count", "seconds"),
    [(1, 0), (2, 0), (3, 16), (4, 16), (5, 41), (6, 41), (7, 131), (8, 131), (9, None)],
)
def test_the_soonest_come_first_and_notices_last(count: int, seconds: float | None) -> None:
    seen = look(
        holder(A, ANNOUNCE, notice=30),
        holder(B, STOP, elapsed=5),
        free=2,
        leaving=(leaves(A, 2), leaves(B, 2)),
        displaceable=(candidate(C, 2),),
    )
    assert seen.free_in(count, displacing=True).seconds == seconds


def test_who_displaces_nobody_does_not_count_on_notices() -> None:
    assert look(displaceable=(candidate(C, 2),)).free_in(1, displacing=False).seconds is None


@pytest.mark.parametrize("at", [None, (Kind.DESTROY, Step.SHUTDOWN)])
def test_one_that_nobody_can_tell_of_comes_last(at: tuple[Kind, Step] | None) -> None:
    seen = look(holder(A, at), holder(B, STOP), leaving=(leaves(A, 2), leaves(B, 2)))
    assert seen.free_in(2, displacing=True).seconds == 21
    assert seen.free_in(4, displacing=True).seconds is None


@pytest.mark.parametrize(
    ("free", "line", "spare"),
    [
        (3, [], 3),
        (3, [(2, True)], 1),
        (3, [(4, True), (1, False)], 0),
        (3, [(4, False)], 3),
        (3, [(1, True), (2, False)], 0),
        (3, [(1, True), (4, False), (1, False)], 1),
    ],
)
def test_what_the_line_leaves(free: int, line: list[tuple[int, bool]], spare: int) -> None:
    waiting = tuple(InLine(uuid4(), missing, pays) for missing, pays in line)
    assert look(free=free, line=waiting).spare() == spare


def test_what_it_would_leave_without_one_of_it() -> None:
    seen = look(holder(A, None), free=0, line=(InLine(A, 2, True), InLine(B, 1, True)))
    assert (seen.spare(), seen.spare(without=A)) == (0, 1)
    assert (seen.place(B), seen.missing(1), seen.awaits(C)) == (2, 2, False)
