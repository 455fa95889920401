"""Tasks of earlier attempts are found, whatever they were cut off from."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from workers.steps.tasks import Task, run_if_needed
from workers.work import Work


def test_what_is_needed_is_asked_after_the_look_for_an_earlier_task() -> None:
    """One that ended before the look has had its effect by then; one that ends between the two has not."""
    asked: list[str] = []

    def active_tasks(*_: Any) -> dict[str, str]:
        asked.append("tasks")
        return {}

    def needed() -> bool:
        asked.append("needed")
        return False

    work = SimpleNamespace(
        memo={},
        job=SimpleNamespace(vmid=100, operation=SimpleNamespace(attempt=2)),
        pve=SimpleNamespace(active_tasks=active_tasks),
    )
    result = run_if_needed(
        cast(Work, work),
        Task.START,
        "vm01",
        lambda: pytest.fail("it was started again"),
        needed=needed,
        deadline_seconds=1,
        what="Starting",
    )
    assert result is None
    assert asked == ["tasks", "needed"]
