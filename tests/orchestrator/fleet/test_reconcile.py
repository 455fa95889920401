"""What the listing and a close look mean for a VM, as tables."""

from dataclasses import replace

import pytest

from orchestrator.fleet.reconcile import (
    Facts,
    Proof,
    Remedy,
    Verdict,
    judge,
    looks_needed,
    remedy,
    status_of,
    too_many_gone,
)
from orchestrator.fleet.sightings import Shown
from orchestrator.vms.pipelines import PIPELINES, Kind, Step
from orchestrator.vms.statuses import ENDED, Status, legal

S = Status
RUNNING = Facts(S.RUNNING, None, "on_demand", None, node_offline=False, went_down=False)
STOPPED = replace(RUNNING, status=S.STOPPED)
INTERRUPTED = replace(RUNNING, status=S.INTERRUPTED, rental_type="interruptible")
OFFLINE = replace(RUNNING, status=S.OFFLINE, before=S.RUNNING)
OFF_BEFORE = replace(OFFLINE, before=S.STOPPED)
WENT_DOWN = replace(RUNNING, went_down=True)
WENT_DOWN_OFFLINE = replace(OFFLINE, went_down=True)
STARTING = replace(RUNNING, status=S.STARTING, under_way=(Kind.START, Step.BOOT))

AGREES, WAITS, OUT, BACK, DOUBTED = (
    Verdict.AGREES,
    Verdict.WAITS,
    Verdict.OUT_OF_SIGHT,
    Verdict.BACK,
    Verdict.DOUBTED,
)
#                      running  stopped  absent   elsewhere foreign unknown
VERDICTS = [
    (RUNNING,           (AGREES, DOUBTED, DOUBTED, DOUBTED, DOUBTED, WAITS)),
    (WENT_DOWN,         (AGREES, DOUBTED, DOUBTED, DOUBTED, DOUBTED, WAITS)),
    (STOPPED,           (DOUBTED, AGREES, DOUBTED, DOUBTED, DOUBTED, WAITS)),
    (INTERRUPTED,       (DOUBTED, AGREES, DOUBTED, DOUBTED, DOUBTED, WAITS)),
    (OFFLINE,           (BACK, DOUBTED, DOUBTED, DOUBTED, DOUBTED, WAITS)),
    (WENT_DOWN_OFFLINE, (DOUBTED, DOUBTED, DOUBTED, DOUBTED, DOUBTED, WAITS)),
    (OFF_BEFORE,        (BACK, BACK, BACK, BACK, BACK, BACK)),
    (STARTING,          (AGREES,) * 6),
    (replace(STARTING, status=S.OFFLINE, before=S.STARTING), (BACK,) * 6),
    (replace(RUNNING, node_offline=True), (OUT,) * 6),
    (replace(STOPPED, node_offline=True), (OUT,) * 6),
    (replace(STARTING, node_offline=True), (OUT,) * 6),
    (replace(OFFLINE, node_offline=True), (WAITS,) * 6),
]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "shown", "expected"),
    [(facts, shown, verdict) for facts, row in VERDICTS for shown, verdict in zip(Shown, row, strict=True)],
)
def test_the_listing(facts: Facts, shown: Shown, expected: Verdict) -> None:
    assert judge(facts, shown) is expected


N = Remedy.NOTHING
#                      on                off               gone            unclear
REMEDIES = [
    (RUNNING,           (Remedy.FORGET, Remedy.STOP, Remedy.DESTROY, N)),
    (WENT_DOWN,         (Remedy.FORGET, Remedy.START, Remedy.DESTROY, N)),
    (replace(WENT_DOWN, rental_type="reserved"), (Remedy.FORGET, Remedy.START, Remedy.DESTROY, N)),
    (replace(WENT_DOWN, rental_type="interruptible"), (Remedy.FORGET, Remedy.INTERRUPT, Remedy.DESTROY, N)),
    (OFFLINE,           (Remedy.BACK, Remedy.START, Remedy.DESTROY, N)),
    (replace(OFFLINE, rental_type="interruptible"), (Remedy.BACK, Remedy.INTERRUPT, Remedy.DESTROY, N)),
    (STOPPED,           (Remedy.SWITCH_OFF, Remedy.FORGET, Remedy.DESTROY, N)),
    (INTERRUPTED,       (Remedy.SWITCH_OFF, Remedy.FORGET, Remedy.DESTROY, N)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "proof", "expected"),
    [(facts, proof, expected) for facts, row in REMEDIES for proof, expected in zip(Proof, row, strict=True)],
)
def test_a_close_look(facts: Facts, proof: Proof, expected: Remedy) -> None:
    assert remedy(facts, proof) is expected


@pytest.mark.parametrize(
    ("facts", "looks"), [(RUNNING, 2), (STOPPED, 2), (OFFLINE, 1), (WENT_DOWN, 1), (WENT_DOWN_OFFLINE, 1)]
)
def test_only_after_an_outage_one_look_is_enough(facts: Facts, looks: int) -> None:
    assert looks_needed(facts) == looks


@pytest.mark.parametrize(
    ("gone", "vms", "expected"),
    [(1, 1, False), (3, 3, False), (4, 16, False), (4, 15, True), (8, 8, True), (200, 1000, False)],
)
def test_many_that_are_gone_at_once_are_another_cluster(gone: int, vms: int, expected: bool) -> None:
    assert too_many_gone(gone, vms) is expected


@pytest.mark.parametrize(
    ("under_way", "before", "expected"),
    [
        (None, S.RUNNING, S.RUNNING),
        ((Kind.CREATE, Step.CLONE), S.CREATING, S.CREATING),
        ((Kind.CREATE, Step.BOOT), S.CREATING, S.STARTING),
        ((Kind.CREATE, Step.PROBE), S.STARTING, S.STARTING),
        ((Kind.START, Step.RESERVE), S.STOPPED, S.STARTING),
        ((Kind.RESTORE, Step.BOOT), S.INTERRUPTED, S.STARTING),
        ((Kind.STOP, Step.SHUTDOWN), S.RUNNING, S.STOPPING),
        ((Kind.STOP, Step.RELEASE), S.STOPPING, S.STOPPING),
        ((Kind.RESTART, Step.BOOT), S.RUNNING, S.STARTING),
        ((Kind.RESTART, Step.PROBE), S.STARTING, S.STARTING),
        ((Kind.INTERRUPT, Step.ANNOUNCE), S.RUNNING, S.RUNNING),
        ((Kind.INTERRUPT, Step.SHUTDOWN), S.RUNNING, S.STOPPING),
        ((Kind.DESTROY, Step.SHUTDOWN), S.STOPPED, S.STOPPED),
        ((Kind.DESTROY, Step.DELETE), S.RUNNING, S.STOPPING),
        ((Kind.ROLL_BACK, Step.DELETE), S.STARTING, S.STARTING),
    ],
)
def test_the_status_that_an_operation_means(
    under_way: tuple[Kind, Step] | None, before: Status, expected: Status
) -> None:
    assert status_of(under_way, before) is expected


def test_whatever_is_under_way_a_vm_can_come_back() -> None:
    for kind, pipeline in PIPELINES.items():
        for step in pipeline.steps:
            for before in set(Status) - ENDED - {S.OFFLINE}:
                assert legal(S.OFFLINE, status_of((kind, step), before))
