"""What a request means: the whole table, and what holds for all of it."""

from itertools import product

import pytest

from orchestrator.intake.lifecycle import AT_REST, GOES_ON, UNDER_WAY, Answer, Asked, decide, reason
from orchestrator.vms.pipelines import PIPELINES, Kind
from orchestrator.vms.statuses import ENDED, Status, legal

UNDER_WAY_TABLE = """
under_way  start    stop      restart  destroy
create     nothing  refuse    refuse   overtake
start      nothing  overtake  refuse   overtake
stop       refuse   nothing   refuse   overtake
restart    nothing  overtake  nothing  overtake
interrupt  refuse   overtake  refuse   overtake
restore    nothing  overtake  refuse   overtake
destroy    refuse   refuse    refuse   nothing
roll_back  refuse   refuse    refuse   overtake
"""
AT_REST_TABLE = """
status       start    stop     restart  destroy
creating     refuse   refuse   refuse   begin
starting     refuse   refuse   refuse   begin
running      nothing  begin    begin    begin
stopping     refuse   refuse   refuse   begin
stopped      begin    nothing  refuse   begin
interrupted  begin    settle   refuse   begin
offline      refuse   refuse   refuse   begin
failed       refuse   refuse   refuse   begin
destroyed    refuse   refuse   refuse   nothing
"""


def cells(table: str) -> list[tuple[str, Asked, Answer]]:
    heads, *rows = [line.split() for line in table.split("\n") if line]
    return [
        (row[0], Asked(asked), Answer[answer.upper()])
        for row in rows
        for asked, answer in zip(heads[1:], row[1:], strict=True)
    ]


@pytest.mark.parametrize(("kind", "asked", "answer"), cells(UNDER_WAY_TABLE))
def test_while_something_is_under_way(kind: str, asked: Asked, answer: Answer) -> None:
    for status in set(Status) - {Status.OFFLINE}:
        assert decide(asked, status, Kind(kind)) is answer


@pytest.mark.parametrize(("status", "asked", "answer"), cells(AT_REST_TABLE))
def test_while_nothing_is_under_way(status: str, asked: Asked, answer: Answer) -> None:
    assert decide(asked, Status(status), None) is answer


def test_the_tables_are_whole() -> None:
    assert {(kind, asked) for kind, asked, _ in cells(UNDER_WAY_TABLE)} == set(product(Kind, Asked))
    assert {(status, asked) for status, asked, _ in cells(AT_REST_TABLE)} == set(product(Status, Asked))


@pytest.mark.parametrize("kind", Kind)
def test_a_node_that_does_not_answer_is_only_asked_for_a_destroy(kind: Kind) -> None:
    for asked in set(Asked) - {Asked.DESTROY}:
        expected = Answer.NOTHING if UNDER_WAY[kind][asked] is Answer.NOTHING else Answer.REFUSE
        assert decide(asked, Status.OFFLINE, kind) is expected
    assert decide(Asked.DESTROY, Status.OFFLINE, kind) is UNDER_WAY[kind][Asked.DESTROY]


def test_a_destroy_is_never_refused() -> None:
    rows = [*UNDER_WAY.values(), *AT_REST.values()]
    assert all(row[Asked.DESTROY] is not Answer.REFUSE for row in rows)


def test_each_refusal_says_what_goes_on() -> None:
    refusing = {key for key, row in (UNDER_WAY | AT_REST).items() if Answer.REFUSE in row.values()}
    assert refusing == set(GOES_ON)
    assert reason(Status.RUNNING, Kind.INTERRUPT) == GOES_ON[Kind.INTERRUPT]
    assert reason(Status.STOPPED, None) == GOES_ON[Status.STOPPED]
    assert reason(Status.OFFLINE, Kind.START) == GOES_ON[Status.OFFLINE]


def test_what_begins_can_reach_its_end() -> None:
    for status, row in AT_REST.items():
        for asked, answer in row.items():
            if answer is Answer.BEGIN:
                pipeline = PIPELINES[Kind(asked)]
                entered = pipeline.enters.get(pipeline.steps[0], status)
                assert legal(status, entered) or legal(status, pipeline.ends_in)


def test_nothing_to_do_means_that_it_ends_as_it_was_asked_for() -> None:
    wanted = {asked: PIPELINES[Kind(asked)].ends_in for asked in Asked}
    for kind, row in UNDER_WAY.items():
        for asked, answer in row.items():
            assert answer is not Answer.NOTHING or PIPELINES[kind].ends_in is wanted[asked]
    for status, row in AT_REST.items():
        for asked, answer in row.items():
            assert answer is not Answer.NOTHING or status is wanted[asked]


def test_an_ended_vm_takes_nothing_but_a_destroy() -> None:
    for status in ENDED:
        answers = {AT_REST[status][asked] for asked in set(Asked) - {Asked.DESTROY}}
        assert answers == {Answer.REFUSE}
