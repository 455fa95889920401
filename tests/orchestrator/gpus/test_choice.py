"""Which cards are chosen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.gpus.choice import Card, choose


def cards(*places: tuple[int, str]) -> list[Card]:
    return [Card(number, f"gpu-{number}", numa, root) for number, (numa, root) in enumerate(places)]


# Two sockets with two PCIe roots of two cards each.
EIGHT = cards((0, "a"), (0, "a"), (0, "b"), (0, "b"), (1, "c"), (1, "c"), (1, "d"), (1, "d"))


@pytest.mark.parametrize(
    ("free", "count", "chosen"),
    [
        pytest.param([0, 1, 2, 3, 4, 5, 6, 7], 8, [0, 1, 2, 3, 4, 5, 6, 7], id="all"),
        pytest.param([0, 1, 2, 3, 4, 5, 6, 7], 4, [0, 1, 2, 3], id="one socket"),
        pytest.param([0, 1, 2, 4, 5, 6, 7], 4, [4, 5, 6, 7], id="the socket that fits"),
        pytest.param([0, 1, 3, 4, 5], 1, [3], id="a lone card before a pair is broken"),
        pytest.param([0, 2, 4, 5], 2, [4, 5], id="a pair under one root"),
        pytest.param([0, 2, 3, 5], 2, [2, 3], id="a pair although two sockets have cards"),
        pytest.param([0, 2, 5, 7, 6], 2, [6, 7], id="never across sockets when a root has a pair"),
        pytest.param([0, 2, 5], 2, [0, 2], id="one socket when no root has a pair"),
        pytest.param([0, 5], 2, [0, 5], id="across sockets when nothing else is there"),
        pytest.param([0, 2, 4, 5, 6], 4, [0, 4, 5, 6], id="as few strangers as possible"),
        pytest.param([0, 1, 2], 4, None, id="too few"),
        pytest.param([], 1, None, id="none"),
    ],
)
def test_cards_stay_close_and_big_groups_stay_whole(
    free: list[int], count: int, chosen: list[int] | None
) -> None:
    found = choose([EIGHT[number] for number in free], count)
    assert (None if found is None else [card.id for card in found]) == chosen


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcd")), max_size=16).map(lambda p: cards(*p)),
    st.sampled_from([1, 2, 4, 8]),
)
def test_exactly_the_count_of_free_cards_or_none(free: list[Card], count: int) -> None:
    found = choose(free, count)
    if found is None:
        assert len(free) < count
    else:
        assert len({card.id for card in found}) == count
        assert set(found) <= set(free)
        assert found == choose(list(reversed(free)), count), "the order of the free cards does not matter"
