"""Whom a request displaces: the smallest harm."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policy.victims import Candidate, choose_victims


def candidate(vm: str, gpus: int, lost: float = 100, interruptions: int = 0) -> Candidate:
    return Candidate(vm, gpus, lost, interruptions)


CASES = {
    "the one that fits": ([("a", 1), ("b", 4), ("c", 2)], 4, {"b"}),
    "fewest GPUs beyond the need": ([("a", 8), ("b", 2), ("c", 1)], 3, {"b", "c"}),
    "then fewest VMs": ([("a", 1), ("b", 1), ("c", 2)], 2, {"c"}),
    "then the least lost work": ([("a", 1, 500), ("b", 1, 20), ("c", 1, 300)], 1, {"b"}),
    "then the fewest interruptions": ([("a", 1, 10, 3), ("b", 1, 10, 1)], 1, {"b"}),
    "on a tie the first": ([("a", 1), ("b", 1)], 1, {"a"}),
    "one too large when nothing else suffices": ([("a", 8), ("b", 1)], 2, {"a"}),
    "all": ([("a", 1), ("b", 1)], 2, {"a", "b"}),
    "nobody is needed": ([("a", 1)], 0, set()),
    "whose GPUs are all unfit frees nothing": ([("a", 0), ("b", 1)], 1, {"b"}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_smallest_harm(case: str) -> None:
    candidates, need, expected = CASES[case]
    chosen = choose_victims([candidate(*one) for one in candidates], need)
    assert chosen is not None
    assert {one.vm for one in chosen} == expected


def test_not_enough_even_so() -> None:
    assert choose_victims([candidate("a", 2)], 3) is None
    assert choose_victims([], 1) is None


CANDIDATES = st.lists(
    st.tuples(st.sampled_from([1, 1, 2, 4, 8]), st.integers(0, 5), st.integers(0, 3)), max_size=8
).map(lambda rows: [Candidate(number, *row) for number, row in enumerate(rows)])


def harm(chosen: tuple[Candidate, ...], need: int) -> tuple[float, ...]:
    return (
        sum(one.gpus for one in chosen) - need,
        len(chosen),
        sum(one.gpus * one.lost_seconds for one in chosen),
        sum(one.interruptions for one in chosen),
    )


@given(CANDIDATES, st.integers(1, 9))
def test_no_other_choice_is_less_harm(candidates: list[Candidate], need: int) -> None:
    every = [
        chosen
        for count in range(len(candidates) + 1)
        for chosen in combinations(candidates, count)
        if sum(one.gpus for one in chosen) >= need
    ]
    chosen = choose_victims(candidates, need)
    if chosen is None:
        assert not every
    else:
        assert harm(chosen, need) == min(harm(other, need) for other in every)
        spare = sum(one.gpus for one in chosen) - need
        assert all(one.gpus > spare for one in chosen), "one of them is superfluous"
