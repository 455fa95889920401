"""Who comes back, and what the others wait for."""

import pytest

from orchestrator.policy.restore import Decision, Fleet, Interrupted, Verdict, admits_new, decide_restores
from orchestrator.policy.rules import Rules

PLAIN = Rules(headroom=0, headroom_most=0, cool_down_seconds=100, cool_down_cap_seconds=1000)
NOW = 10_000.0


def interrupted(vm: str, *, node: str = "n1", gpus: int = 1, ago: float = 500, times: int = 1) -> Interrupted:
    return Interrupted(vm, node, gpus, NOW - ago, times)


def verdicts(decisions: list[Decision]) -> dict[object, Verdict]:
    return {one.vm: one.verdict for one in decisions}


def test_those_displaced_often_come_first_then_the_oldest() -> None:
    waiting = [interrupted("young"), interrupted("old", ago=900), interrupted("often", times=2)]
    decisions = decide_restores(waiting, Fleet(8, {"n1": 2}), NOW, PLAIN)
    assert [one.vm for one in decisions] == ["often", "old", "young"]
    assert verdicts(decisions) == {
        "often": Verdict.RESTORE,
        "old": Verdict.RESTORE,
        "young": Verdict.NO_ROOM,
    }


def test_each_on_its_own_node() -> None:
    waiting = [interrupted("a", node="n1"), interrupted("b", node="n2")]
    assert verdicts(decide_restores(waiting, Fleet(16, {"n2": 8}), NOW, PLAIN)) == {
        "a": Verdict.NO_ROOM,
        "b": Verdict.RESTORE,
    }


def test_a_smaller_one_passes_a_larger_one_that_finds_no_room() -> None:
    waiting = [interrupted("large", gpus=4, ago=900), interrupted("small")]
    assert verdicts(decide_restores(waiting, Fleet(8, {"n1": 2}), NOW, PLAIN)) == {
        "large": Verdict.NO_ROOM,
        "small": Verdict.RESTORE,
    }


@pytest.mark.parametrize(
    ("times", "seconds"), [(0, 100), (1, 100), (2, 200), (3, 400), (4, 800), (5, 1000), (60, 1000)]
)
def test_the_cool_down_doubles_up_to_its_cap(times: int, seconds: float) -> None:
    [early] = decide_restores(
        [interrupted("a", ago=seconds - 1, times=times)], Fleet(8, {"n1": 8}), NOW, PLAIN
    )
    assert (early.verdict, early.not_before) == (Verdict.COOLING_DOWN, NOW + 1)
    [due] = decide_restores([interrupted("a", ago=seconds, times=times)], Fleet(8, {"n1": 8}), NOW, PLAIN)
    assert due.verdict is Verdict.RESTORE


def test_the_headroom_is_that_of_the_whole_fleet() -> None:
    rules = Rules(headroom=0.25, headroom_most=0.25, cool_down_seconds=0, longest_wait_seconds=3600)
    fleet = Fleet(16, {"n1": 2, "n2": 3})
    decisions = decide_restores([interrupted("a"), interrupted("b", ago=400)], fleet, NOW, rules)
    assert verdicts(decisions) == {"a": Verdict.RESTORE, "b": Verdict.HEADROOM}
    assert decisions[1].not_before == NOW - 400 + 3600


def test_who_has_waited_longest_is_let_through_the_headroom() -> None:
    rules = Rules(headroom=0.9, headroom_most=0.9, cool_down_seconds=0, longest_wait_seconds=3600)
    decisions = decide_restores([interrupted("a", ago=3600)], Fleet(8, {"n1": 1}), NOW, rules)
    assert verdicts(decisions) == {"a": Verdict.RESTORE}


@pytest.mark.parametrize(
    ("total", "demand", "kept"),
    [
        (8, 8, 0),  # a small fleet keeps none
        (100, 0, 5),
        (100, 1, 5),
        (100, 3, 6),
        (100, 5, 10),
        (100, 50, 10),
    ],
)
def test_more_is_kept_free_while_paying_requests_come(total: int, demand: int, kept: int) -> None:
    rules = Rules(headroom=0.05, headroom_most=0.10, demand_factor=2)
    assert rules.kept_free(total, demand) == kept


def test_the_defaults_keep_nothing_of_a_node() -> None:
    assert Rules().kept_free(8, 100) == 0


def test_new_requests_leave_the_headroom_or_take_the_last_card() -> None:
    fleet = Fleet(16, {"n1": 2, "n2": 1})
    careful = Rules(headroom=0.1, headroom_most=0.1)
    assert admits_new(fleet, "n1", 2, careful)
    assert not admits_new(fleet, "n2", 2, careful), "there is no room on that node"
    assert not admits_new(Fleet(16, {"n1": 2}), "n1", 2, careful)
    assert admits_new(Fleet(16, {"n1": 2}), "n1", 2, Rules(headroom=0.1, headroom_for_new=False))
