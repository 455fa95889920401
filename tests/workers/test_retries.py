"""From errors to outcomes."""

import pytest

from orchestrator.errors import (
    ConfigurationError,
    DeadlinePassed,
    InsufficientCapacity,
    PveAgentSilent,
    PveAmbiguous,
    PveBug,
    PveDenied,
    PveDevice,
    PveLocked,
    PveNoAccess,
    PveUnreachable,
    SshAuthNotOffered,
)
from orchestrator.settings import Settings
from orchestrator.vms.pipelines import Kind, Step
from workers.outcomes import Again, Failed, Outcome, Parked
from workers.retries import CURVES, Curve, outcome_of

SETTINGS = Settings(pace=0.5, node_recheck_seconds=30, operator_recheck_seconds=300, _env_file=None)


def outcome(
    error: Exception, *, attempt: int, kind: Kind = Kind.CREATE, step: Step = Step.CONFIGURE
) -> Outcome:
    return outcome_of(error, kind=kind, step=step, attempt=attempt, settings=SETTINGS)


@pytest.mark.parametrize(
    ("error", "attempt", "expected"),
    [
        (InsufficientCapacity("none free"), 1, Parked("capacity", "none free", 30)),
        (PveUnreachable("no route"), 6, Parked("node", "no route", 30)),
        (PveBug("no such parameter"), 1, Failed("no such parameter")),
        (PveDevice("no PCI device"), 1, Failed("no PCI device")),
        (PveDenied("403"), 4, Failed("403")),
        (PveNoAccess("401"), 4, Parked("operator", "401", 300)),
        (ConfigurationError("no token"), 4, Parked("operator", "no token", 300)),
        (DeadlinePassed("too long"), 1, Failed("too long")),
        (PveAmbiguous("lost"), 12, Failed("lost")),
        (SshAuthNotOffered("no password"), 4, Failed("no password")),
    ],
)
def test_the_last_attempt_fails_or_waits(error: Exception, attempt: int, expected: Outcome) -> None:
    assert outcome(error, attempt=attempt) == expected


@pytest.mark.parametrize("kind", [Kind.DESTROY, Kind.ROLL_BACK])
def test_what_cleans_up_waits_for_an_operator_instead(kind: Kind) -> None:
    assert outcome(PveBug("locked for ever"), attempt=1, kind=kind) == Parked(
        "operator", "locked for ever", 300
    )


def test_a_restart_that_cannot_shut_down_leaves_the_vm_running() -> None:
    locked = PveLocked("VM is locked (backup)")
    found = outcome(locked, attempt=16, kind=Kind.RESTART, step=Step.SHUTDOWN)
    assert found == Parked("operator", "VM is locked (backup)", 300)
    assert outcome(locked, attempt=16, kind=Kind.RESTART, step=Step.BOOT) == Failed("VM is locked (backup)")


@pytest.mark.parametrize(
    "error", [PveUnreachable("x"), PveAgentSilent("x"), PveLocked("x"), PveAmbiguous("x")]
)
def test_before_that_it_is_tried_again_later(error: Exception) -> None:
    found = outcome(error, attempt=1)
    assert isinstance(found, Again)
    assert found.error == "x"
    assert 0.3 < found.seconds < 1.4


def test_unknown_errors_do_not_show_their_text() -> None:
    found = outcome(RuntimeError("secret: hunter2"), attempt=4)
    assert isinstance(found, Failed)
    assert "hunter2" not in found.reason
    assert "RuntimeError" in found.reason


def test_waits_grow_to_their_cap() -> None:
    curve = Curve(attempts=9, first=2, factor=1.5, cap=30)
    waits = [[curve.wait(attempt) for _ in range(50)] for attempt in (1, 2, 20)]
    assert all(1.4 <= wait <= 2.6 for wait in waits[0])
    assert all(2.1 <= wait <= 3.9 for wait in waits[1])
    assert all(21 <= wait <= 39 for wait in waits[2])


def test_a_subclass_stands_before_its_base() -> None:
    classes = list(CURVES)
    for position, known in enumerate(classes):
        assert not any(issubclass(known, earlier) for earlier in classes[:position])
