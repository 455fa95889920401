"""Waiting for a task, and what is made of its end."""

from collections.abc import Sequence

import pytest
from pve_stub import UPID

from orchestrator.errors import (
    DeadlinePassed,
    PveAmbiguous,
    PveCapacity,
    PveDenied,
    PveDevice,
    PveError,
    PveTransient,
    PveUnreachable,
)
from workers.proxmox import PollCurve, TaskResult, TaskState, wait_for_task

RUNNING = TaskState(running=True)
GONE = TaskState(running=False, vanished=True)


def ended(exitstatus: str) -> TaskState:
    return TaskState(running=False, exitstatus=exitstatus)


class ScriptedTask:
    """A task whose looks are given; the last one stays. Errors are raised."""

    def __init__(
        self, *looks: TaskState | PveError, log: Sequence[tuple[str, ...] | PveError] = ((),)
    ) -> None:
        self.looks = list(looks)
        self.logs = list(log)
        self.pauses: list[float] = []

    def task(self, upid: str) -> TaskState:
        assert upid == UPID
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, PveError):
            raise look
        return look

    def task_log(self, upid: str) -> tuple[str, ...]:
        assert upid == UPID
        log = self.logs.pop(0) if len(self.logs) > 1 else self.logs[0]
        if isinstance(log, PveError):
            raise log
        return log

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) > 20:
            raise DeadlinePassed("waited for the task")

    def wait(self, curve: PollCurve | None = None) -> TaskResult:
        return wait_for_task(self, UPID, self.pause, what="start VM 101", curve=curve or PollCurve())


def test_a_task_is_looked_at_ever_more_slowly_until_it_ends() -> None:
    task = ScriptedTask(*[RUNNING] * 8, ended("OK"), log=[("generating cloud-init ISO", "TASK OK")])
    result = task.wait()
    assert result.ok
    assert result.exitstatus == "OK"
    assert result.log_tail == ("generating cloud-init ISO", "TASK OK")
    assert task.pauses == pytest.approx([0.2, 0.3, 0.45, 0.675, 1.0125, 1.51875, 2.0, 2.0])


def test_a_task_that_has_ended_is_not_waited_for() -> None:
    task = ScriptedTask(ended("OK"))
    assert task.wait().ok
    assert task.pauses == []


def test_the_curve_can_be_shrunk() -> None:
    task = ScriptedTask(RUNNING, RUNNING, RUNNING, ended("OK"))
    task.wait(PollCurve(first_seconds=0.01, growth=2, longest_seconds=0.03))
    assert task.pauses == pytest.approx([0.01, 0.02, 0.03])


def test_looks_that_fail_are_repeated() -> None:
    task = ScriptedTask(
        PveTransient("596"), PveUnreachable("595"), RUNNING, ended("OK"), log=[PveTransient("slow"), ("a",)]
    )
    assert task.wait().log_tail == ("a",)
    assert len(task.pauses) == 4


def test_a_look_that_is_denied_ends_the_wait() -> None:
    with pytest.raises(PveDenied):
        ScriptedTask(RUNNING, PveDenied("403")).wait()


def test_the_callers_pause_ends_the_wait() -> None:
    task = ScriptedTask(RUNNING)
    with pytest.raises(DeadlinePassed):
        task.wait()


def test_a_task_that_is_not_known_yet_is_given_a_moment() -> None:
    assert ScriptedTask(GONE, GONE, RUNNING, GONE, GONE, GONE, ended("OK")).wait().ok


def test_a_task_that_stays_unknown_has_vanished_and_may_have_done_its_work() -> None:
    task = ScriptedTask(GONE)
    result = task.wait()
    assert result.vanished
    assert not result.ok
    assert len(task.pauses) == PollCurve().grace_polls
    error = result.error()
    assert type(error) is PveAmbiguous
    assert str(error) == f"start VM 101: PVE does not know the task {UPID} any more"


def test_warnings_are_a_success_with_lines_to_read() -> None:
    log = (
        "purging VM 101",
        "WARN: Could not remove disk 'fast:vm-101-disk-0', check manually",
        "TASK WARNINGS: 1",
    )
    result = ScriptedTask(ended("WARNINGS: 1"), log=[log]).wait()
    assert result.ok
    assert result.warnings == (log[1],)


def test_a_device_that_did_not_reset_is_named_even_when_the_start_went_well() -> None:
    line = "failed to reset PCI device '0000:81:00.0', but trying to continue as not all devices need a reset"
    log = (line, *["progress"] * 50, line, "failed to reset PCI device '0000:c1:00.0', but", "TASK OK")
    result = ScriptedTask(ended("OK"), log=[log]).wait()
    assert result.reset_failed == ("0000:81:00.0", "0000:c1:00.0")
    assert len(result.log_tail) == 20


@pytest.mark.parametrize(
    ("exitstatus", "log", "kind"),
    [
        ("unexpected status", (), PveAmbiguous),
        ("interrupted by signal", (), PveTransient),
        ("PCI device '0000:81:00.0' already in use by VMID '102'", (), PveDevice),
        ("start failed: QEMU exited with code 1", ("kvm: Cannot allocate memory",), PveCapacity),
    ],
)
def test_a_failed_task_becomes_the_error_that_its_end_means(
    exitstatus: str, log: tuple[str, ...], kind: type[PveError]
) -> None:
    result = ScriptedTask(ended(exitstatus), log=[(*log, f"TASK ERROR: {exitstatus}")]).wait()
    assert not result.ok
    assert type(result.error()) is kind


def test_the_error_of_a_task_shows_what_its_log_said_last() -> None:
    log = ("a", "b", "kvm: first", "kvm: second", "TASK ERROR: start failed: QEMU exited with code 1")
    result = ScriptedTask(ended("start failed: QEMU exited with code 1"), log=[log]).wait()
    assert str(result.error("start VM 7 again")) == (
        f"start VM 7 again: task {UPID} ended with: start failed: QEMU exited with code 1 "
        "(its log: b / kvm: first / kvm: second)"
    )
    bare = ScriptedTask(ended("VM is locked (clone)")).wait()
    assert str(bare.error()) == f"start VM 101: task {UPID} ended with: VM is locked (clone)"
