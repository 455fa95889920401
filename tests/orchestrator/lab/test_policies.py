"""The policies that ours is compared with."""

import random

import pytest

from orchestrator.lab.policies import CHECKPOINT_SECONDS, Choose, at_random, largest, least_lost, youngest
from orchestrator.policy.victims import Candidate

HOUR = CHECKPOINT_SECONDS
OLD_LARGE = Candidate("old large", 4, HOUR + 60, 0)
YOUNG_SMALL = Candidate("young small", 1, 600, 0)
MIDDLE = Candidate("middle", 2, 1_200, 0)
ALL = (OLD_LARGE, YOUNG_SMALL, MIDDLE)
RNG = random.Random(1)


@pytest.mark.parametrize(
    ("choose", "need", "victims"),
    [
        (youngest, 1, {"young small"}),
        (youngest, 3, {"young small", "middle"}),
        (youngest, 4, {"old large"}),
        (largest, 1, {"old large"}),
        (largest, 5, {"old large", "middle"}),
        (least_lost, 2, {"old large"}),
        (least_lost, 7, {"old large", "middle", "young small"}),
    ],
)
def test_their_order_and_what_is_put_back(choose: Choose, need: int, victims: set[str]) -> None:
    chosen = choose(ALL, need, RNG)
    assert chosen is not None
    assert {one.vm for one in chosen} == victims


def test_the_same_draw_gives_the_same_victims() -> None:
    draws = [at_random(ALL, 1, random.Random(7)) for _ in range(2)]
    assert draws[0] == draws[1]
    assert len({at_random(ALL, 1, RNG) for _ in range(50)}) == 3


@pytest.mark.parametrize("choose", [youngest, largest, least_lost, at_random])
def test_not_enough_even_so(choose: Choose) -> None:
    assert choose(ALL, 8, RNG) is None
