"""Who makes room for whom: tables of cases, and what holds for every snapshot."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.plan import Leaving, Plan, Pool, Waiter, in_vain, plan
from orchestrator.policy.victims import Candidate

PATIENCE = 1800


def runs(vm: str, gpus: int = 1, lost_seconds: float = 100) -> Candidate:
    return Candidate(vm, gpus, lost_seconds, 0)


def noticed(
    vm: str, gpus: int = 1, goes_for: str | None = "w1", *, lost: float = 100, left: float = 60
) -> Leaving:
    return Leaving(runs(vm, gpus, lost), may_stay=True, seconds_left=left, goes_for=goes_for)


def going(vm: str, gpus: int = 1, goes_for: str | None = None) -> Leaving:
    return Leaving(runs(vm, gpus), goes_for=goes_for)


W1, W2 = Waiter("w1", 2), Waiter("w2", 2)


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        pytest.param(Pool(), Plan(), id="nobody waits"),
        pytest.param(Pool(displaceable=(runs("a"),)), Plan(), id="nobody is displaced for nobody"),
        pytest.param(Pool(free=2, waiters=(W1,), displaceable=(runs("a"),)), Plan(), id="enough is free"),
        pytest.param(
            Pool(waiters=(W1,), displaceable=(runs("a"), runs("b"), runs("c"))),
            Plan(displace=(("a", "w1"), ("b", "w1"))),
            id="exactly what is needed",
        ),
        pytest.param(
            Pool(free=1, waiters=(W1,), displaceable=(runs("a", 4), runs("b"))),
            Plan(displace=(("b", "w1"),)),
            id="what is free already is used",
        ),
        pytest.param(
            Pool(waiters=(W1,), displaceable=(runs("a"),), leaving=(going("x", 2),)),
            Plan(),
            id="what is on its way out is waited for",
        ),
        pytest.param(
            Pool(waiters=(W1, W2), displaceable=(runs("a", 2), runs("b", 2), runs("c", 2))),
            Plan(displace=(("a", "w1"), ("b", "w2"))),
            id="each victim goes for one of the line",
        ),
        pytest.param(
            Pool(waiters=(W1, W2), displaceable=(runs("a", 2),), later=2),
            Plan(displace=(("a", "w1"),)),
            id="the first in line is served now, the second when the VM that is being started runs",
        ),
        pytest.param(
            Pool(waiters=(Waiter("w1", 4), W2), displaceable=(runs("a", 2),), later=4),
            Plan(),
            id="nobody is interrupted early for who cannot be served yet, nor for who stands behind",
        ),
        pytest.param(
            Pool(waiters=(W2,), leaving=(noticed("a", 2), noticed("b", 4))),
            Plan(hand_over=(("a", "w2"),), call_off=("b",)),
            id="a waiter left: one notice goes on for the next in line, the other is called off",
        ),
        pytest.param(
            Pool(
                waiters=(Waiter("w1", 1), Waiter("w2", 3)),
                leaving=(noticed("a"),),
                displaceable=(runs("b", 4),),
            ),
            Plan(displace=(("b", "w2"),)),
            id="a notice that serves somebody earlier goes on, though the next victim has GPUs for both",
        ),
        pytest.param(
            Pool(waiters=(W1,), leaving=(noticed("a"),), displaceable=(runs("b", 2),)),
            Plan(displace=(("b", "w1"),), call_off=("a",)),
            id="a notice that the next victim makes needless is called off",
        ),
        pytest.param(
            Pool(waiters=(W2,), leaving=(noticed("a", 2, left=10), noticed("b", 2, left=90))),
            Plan(hand_over=(("a", "w2"),), call_off=("b",)),
            id="of two notices the earlier goes on for who waits still",
        ),
        pytest.param(
            Pool(waiters=(W2,), leaving=(noticed("a", 2, lost=9, left=90), noticed("b", 2, left=89.9))),
            Plan(hand_over=(("a", "w2"),), call_off=("b",)),
            id="of two that end together the one with less to lose",
        ),
        pytest.param(
            Pool(waiters=(W1,), leaving=(noticed("a"), noticed("b", lost=200), going("x"))),
            Plan(call_off=("b",)),
            id="a VM that leaves by itself makes one notice needless",
        ),
        pytest.param(
            Pool(leaving=(noticed("a"), going("b", goes_for="w1"))),
            Plan(call_off=("a",)),
            id="a notice that is over is not called off",
        ),
        pytest.param(
            Pool(free=2, waiters=(W1,), leaving=(noticed("a", 2),)),
            Plan(call_off=("a",)),
            id="GPUs came from elsewhere",
        ),
        pytest.param(
            Pool(waiters=(Waiter("w1", 8), W2), displaceable=(runs("a", 2),)),
            Plan(),
            id="who waits in vain keeps its place, and nobody is displaced for it",
        ),
        pytest.param(
            Pool(waiters=(W1, Waiter("w2", 8, waited_seconds=PATIENCE)), displaceable=(runs("a", 2),)),
            Plan(displace=(("a", "w1"),), give_up=("w2",)),
            id="who has waited long in vain is given up",
        ),
        pytest.param(
            Pool(waiters=(Waiter("w1", 2, waited_seconds=9 * PATIENCE),), later=2),
            Plan(),
            id="who waits long for what can come is not",
        ),
        pytest.param(
            Pool(waiters=(Waiter("w1", 8),), leaving=(noticed("a", 2),)),
            Plan(call_off=("a",)),
            id="the rest can never come any more: the notice is called off",
        ),
    ],
)
def test_the_plan(pool: Pool, expected: Plan) -> None:
    assert plan(pool, PATIENCE) == expected


def test_who_stands_behind_one_that_waits_in_vain_does_not_wait_in_vain() -> None:
    first, second = Waiter("w1", 8), Waiter("w2", 2)
    assert in_vain(Pool(waiters=(first, second), displaceable=(runs("a", 2),))) == [first]


def test_what_one_more_request_could_get() -> None:
    pool = Pool(free=1, waiters=(W1,), displaceable=(runs("a", 4),), leaving=(going("x"),), later=1)
    assert pool.reclaimable == 1 + 4 + 1 + 1 - 2
    assert replace(pool, waiters=(Waiter("w1", 9),)).reclaimable == 0


def test_free_gpus_beside_somebody_who_waits_are_to_be_handed_on() -> None:
    assert Pool(free=1, waiters=(W1,)).servable
    assert not Pool(free=1).servable
    assert not Pool(waiters=(W1,)).servable


SIZES = st.sampled_from([1, 2, 4, 8])


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    number = iter(range(100))

    def candidate() -> Candidate:
        return Candidate(
            next(number),
            draw(SIZES),
            draw(st.integers(0, 5000)),
            draw(st.integers(0, 3)),
        )

    waiters = tuple(Waiter(f"w{n}", draw(SIZES)) for n in range(draw(st.integers(0, 4))))
    who = st.sampled_from(["w0", "w1", "gone"])
    return Pool(
        free=draw(st.integers(0, 3)),
        waiters=waiters,
        displaceable=tuple(candidate() for _ in range(draw(st.integers(0, 6)))),
        leaving=tuple(
            Leaving(candidate(), draw(st.booleans()), draw(st.integers(0, 9)) * 10.0, draw(who))
            for _ in range(draw(st.integers(0, 4)))
        ),
        later=draw(st.integers(0, 8)),
    )


def after(pool: Pool, done: Plan) -> Pool:
    """The snapshot that the next look finds."""
    for_whom = dict(done.displace) | dict(done.hand_over)
    stay = [one.candidate for one in pool.leaving if one.candidate.vm in done.call_off]
    return replace(
        pool,
        displaceable=(*(one for one in pool.displaceable if one.vm not in for_whom), *stay),
        leaving=(
            *(
                replace(one, goes_for=for_whom.get(one.candidate.vm, one.goes_for))
                for one in pool.leaving
                if one.candidate.vm not in done.call_off
            ),
            *(
                Leaving(one, may_stay=True, seconds_left=120, goes_for=for_whom[one.vm])
                for one in pool.displaceable
                if one.vm in for_whom
            ),
        ),
    )


@given(pools())
def test_never_more_than_is_needed(pool: Pool) -> None:
    done = plan(pool, PATIENCE)
    missing = sum(waiter.missing for waiter in pool.waiters)
    sizes = {one.vm: one.gpus for one in pool.displaceable}
    freed = [sizes[vm] for vm, _ in done.displace]
    for gpus in freed:
        assert pool.coming + sum(freed) - gpus < missing, "each one is needed"


@given(pools())
def test_only_who_may_be_displaced_is_and_only_once(pool: Pool) -> None:
    done = plan(pool, PATIENCE)
    victims = [vm for vm, _ in done.displace]
    assert len(set(victims)) == len(victims)
    assert set(victims) <= {one.vm for one in pool.displaceable}
    assert set(done.call_off) <= {one.candidate.vm for one in pool.leaving if one.may_stay}
    assert {waiter for _, waiter in done.displace + done.hand_over} <= {one.vm for one in pool.waiters}


@given(pools())
def test_what_is_called_off_is_not_missed(pool: Pool) -> None:
    done = plan(pool, PATIENCE)
    kept = replace(done, call_off=())
    assert served(after(pool, done)) == served(after(pool, kept))


def served(pool: Pool) -> int:
    """How many in line have their GPUs once all have left that leave."""
    coming, count = pool.coming, 0
    for waiter in pool.waiters:
        coming -= waiter.missing
        count += coming >= 0
    return count


@given(pools())
def test_a_second_look_changes_nothing(pool: Pool) -> None:
    second = plan(after(pool, plan(pool, PATIENCE)), PATIENCE)
    assert (second.displace, second.hand_over, second.call_off) == ((), (), ())


@given(pools())
def test_who_can_be_served_now_is(pool: Pool) -> None:
    done = plan(pool, PATIENCE)
    if not pool.waiters or pool.waiters[0] in in_vain(pool):
        return
    can = pool.coming + sum(one.gpus for one in pool.displaceable)
    if can >= pool.waiters[0].missing:
        assert after(pool, done).coming >= pool.waiters[0].missing
