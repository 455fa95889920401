"""The class of a reason: a table, and promise 7 over everything that can be."""

from itertools import product

import pytest

from orchestrator.policy.explain import AT_REST, Reason, Standing, UnderWay, reason_of
from orchestrator.policy.restore import Verdict
from orchestrator.vms.pipelines import PIPELINES, Kind, Step
from orchestrator.vms.statuses import Status


def work(
    kind: Kind = Kind.CREATE, step: Step = Step.BOOT, *flags: str, parked: str | None = None
) -> UnderWay:
    return UnderWay(kind, step, parked, "leased" in flags, "due" in flags, "in_line" in flags)


R, S = Reason, Status
ANNOUNCE = (Kind.INTERRUPT, Step.ANNOUNCE)
RESERVE = (Kind.CREATE, Step.RESERVE)

CASES = [
    # what was asked for, or given up
    (Standing(S.RUNNING), R.WANTS_NOTHING),
    (Standing(S.RUNNING, has_failed=True), R.WANTS_NOTHING),
    (Standing(S.STOPPED), R.WANTS_NOTHING),
    (Standing(S.STOPPED, has_failed=True), R.GIVEN_UP),
    (Standing(S.FAILED, has_failed=True), R.GIVEN_UP),
    (Standing(S.DESTROYED, node_offline=True), R.WANTS_NOTHING),
    # an operation
    (Standing(S.STARTING, work(*RESERVE, "leased", "due")), R.WORKING),
    (Standing(S.STARTING, work(*RESERVE, "due")), R.WORKER),
    (Standing(S.STARTING, work()), R.RETRY),
    (Standing(S.STARTING, work(parked="operator")), R.OPERATOR),
    (Standing(S.STARTING, work(parked="node")), R.NODE_OFFLINE),
    (Standing(S.STARTING, work(parked="capacity")), R.CAPACITY),
    (Standing(S.CREATING, work(*RESERVE, "leased", "in_line"), coming=True), R.RECLAIM),
    (Standing(S.CREATING, work(*RESERVE, "in_line", parked="capacity")), R.CAPACITY),
    (Standing(S.CREATING, work(*RESERVE, "in_line", parked="node")), R.NODE_OFFLINE),
    (Standing(S.RUNNING, work(*ANNOUNCE)), R.NOTICE),
    (Standing(S.RUNNING, work(*ANNOUNCE, "leased")), R.NOTICE),
    (Standing(S.FAILED, work(Kind.DESTROY, Step.SHUTDOWN, "due"), has_failed=True), R.WORKER),
    # its node
    (Standing(S.OFFLINE), R.NODE_OFFLINE),
    (Standing(S.OFFLINE, work(Kind.START, Step.BOOT, "due")), R.NODE_OFFLINE),
    (Standing(S.RUNNING, node_offline=True), R.NODE_OFFLINE),
    (Standing(S.STARTING, work(parked="operator"), node_offline=True), R.NODE_OFFLINE),
    # interrupted
    (Standing(S.INTERRUPTED), R.OWNER),
    (Standing(S.INTERRUPTED, verdict=Verdict.COOLING_DOWN), R.COOL_DOWN),
    (Standing(S.INTERRUPTED, verdict=Verdict.HEADROOM), R.HEADROOM),
    (Standing(S.INTERRUPTED, verdict=Verdict.NO_ROOM), R.CAPACITY),
    (Standing(S.INTERRUPTED, verdict=Verdict.RESTORE), R.SCHEDULER),
    (Standing(S.INTERRUPTED, verdict=Verdict.NO_ROOM, node_draining=True), R.NODE_DRAINING),
    (Standing(S.INTERRUPTED, verdict=Verdict.NO_ROOM, node_offline=True), R.NODE_OFFLINE),
    # a fault
    (Standing(S.CREATING), R.OPERATOR),
    (Standing(S.STARTING), R.OPERATOR),
    (Standing(S.STOPPING), R.OPERATOR),
]


@pytest.mark.parametrize(("vm", "reason"), CASES, ids=str)
def test_the_table(vm: Standing, reason: Reason) -> None:
    assert reason_of(vm) is reason


def test_the_table_has_every_reason() -> None:
    assert {reason for _, reason in CASES} == set(Reason)


BOOLEANS = (False, True)
OPERATIONS = [
    UnderWay(kind, step, parked, leased, due, in_line)
    for kind, pipeline in PIPELINES.items()
    for step in pipeline.steps
    for parked in (None, "capacity", "node", "operator")
    for leased, due, in_line in product(BOOLEANS, repeat=3)
    if not (parked and leased) and (step is Step.RESERVE or not in_line)
]


@pytest.mark.parametrize("status", Status)
def test_only_what_is_settled_is_at_rest(status: Status) -> None:
    """Promise 7, over all that can be: who is not what was asked for waits for something."""
    for offline, draining, coming, failed in product(BOOLEANS, repeat=4):
        for verdict in (None, *Verdict):
            for under_way in (None, *OPERATIONS):
                vm = Standing(status, under_way, offline, draining, coming, verdict, failed)
                settled = under_way is None and (
                    status in (Status.FAILED, Status.DESTROYED)
                    or (status in (Status.RUNNING, Status.STOPPED) and not offline)
                )
                assert (reason_of(vm) in AT_REST) is settled, vm
