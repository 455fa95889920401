"""A step that is cut off after any of its effects, and run again, ends the same."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from orchestrator.intake.lifecycle import Asked
from tests.workers.steps.bench import Bench
from workers.runner import Runner
from workers.work import Work

EFFECTS = (
    (Work, "act"),
    (Work, "remember"),
    (Work, "claim"),
    (Work, "ask_for_clone"),
    (Work, "change_vmid"),
    (Work, "quarantine"),
    (Runner, "_apply"),
)
"""Everything that changes something outside a step: PVE, its memo, its claims, its outcome."""
CREATE_EFFECTS, START_EFFECTS, RESTART_EFFECTS, STOP_EFFECTS, DESTROY_EFFECTS = 18, 10, 9, 5, 9


class PowerCut(BaseException):
    """The worker is gone: nothing may catch it."""


@contextmanager
def power_cut_after(effect: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Cut the power right after the effect of that number, once; the effects are listed by name."""
    done: list[str] = []

    def wrap(owner: type, name: str, original: Callable[..., Any]) -> None:
        def run(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            done.append(name)
            if len(done) == effect + 1:
                raise PowerCut
            return result

        monkeypatch.setattr(owner, name, run)

    with monkeypatch.context() as patch:
        monkeypatch = patch
        for owner, name in EFFECTS:
            wrap(owner, name, getattr(owner, name))
        yield done


def settle_in_spite_of_it(bench: Bench, vm_id: UUID) -> str:
    try:
        return bench.settle(vm_id)
    except PowerCut:
        return bench.settle(vm_id)


@pytest.mark.parametrize("effect", range(CREATE_EFFECTS))
def test_create(bench: Bench, monkeypatch: pytest.MonkeyPatch, effect: int) -> None:
    vm_id = bench.vm(gpu_count=2)
    with power_cut_after(effect, monkeypatch) as done:
        assert settle_in_spite_of_it(bench, vm_id) == "running", bench.told(vm_id)
    assert len(done) > effect, "there are fewer effects than this test believes"
    ours = [vm for vm in bench.simulator.vms().values() if str(vm_id) in vm.config.get("description", "")]
    assert [vm.vmid for vm in ours] == [bench.row(vm_id).vmid], "one VM, under its first VMID"
    assert bench.claims(vm_id) == 2
    assert started(bench, "qmclone", "qmstart", "resize") == ["qmclone", "qmstart", "resize"], (
        "each task once"
    )


@pytest.mark.parametrize("effect", range(DESTROY_EFFECTS))
def test_destroy(bench: Bench, monkeypatch: pytest.MonkeyPatch, effect: int) -> None:
    vm_id = bench.vm()
    bench.settle(vm_id)
    bench.destroy(vm_id)
    with power_cut_after(effect, monkeypatch) as done:
        assert settle_in_spite_of_it(bench, vm_id) == "destroyed", bench.told(vm_id)
    assert len(done) > effect, "there are fewer effects than this test believes"
    assert bench.leftovers(bench.row(vm_id).vmid) == []
    assert bench.claims(vm_id) == 0


@pytest.mark.parametrize("effect", range(STOP_EFFECTS))
def test_stop(bench: Bench, monkeypatch: pytest.MonkeyPatch, effect: int) -> None:
    vm_id = bench.vm(gpu_count=2)
    bench.settle(vm_id)
    bench.ask(vm_id, Asked.STOP)
    with power_cut_after(effect, monkeypatch) as done:
        assert settle_in_spite_of_it(bench, vm_id) == "stopped", bench.told(vm_id)
    assert len(done) > effect, "there are fewer effects than this test believes"
    vm = bench.simulator.vm(bench.row(vm_id).vmid)
    assert vm is not None
    assert vm.running is None
    assert bench.claims(vm_id) == 0
    assert started(bench, "qmshutdown", "qmstop") == ["qmshutdown"]


@pytest.mark.parametrize("effect", range(START_EFFECTS))
def test_start(bench: Bench, monkeypatch: pytest.MonkeyPatch, effect: int) -> None:
    vm_id = bench.vm(gpu_count=2)
    bench.settle(vm_id)
    bench.ask(vm_id, Asked.STOP)
    bench.settle(vm_id)
    bench.ask(vm_id, Asked.START)
    with power_cut_after(effect, monkeypatch) as done:
        assert settle_in_spite_of_it(bench, vm_id) == "running", bench.told(vm_id)
    assert len(done) > effect, "there are fewer effects than this test believes"
    assert bench.claims(vm_id) == 2
    assert started(bench, "qmclone", "qmstart", "resize") == ["qmclone", "qmstart", "qmstart", "resize"]


@pytest.mark.parametrize("effect", range(RESTART_EFFECTS))
def test_restart(bench: Bench, monkeypatch: pytest.MonkeyPatch, effect: int) -> None:
    vm_id = bench.vm(gpu_count=2)
    bench.settle(vm_id)
    bench.ask(vm_id, Asked.RESTART)
    with power_cut_after(effect, monkeypatch) as done:
        assert settle_in_spite_of_it(bench, vm_id) == "running", bench.told(vm_id)
    assert len(done) > effect, "there are fewer effects than this test believes"
    assert bench.claims(vm_id) == 2
    assert started(bench, "qmstart", "qmshutdown", "qmstop") == ["qmshutdown", "qmstart", "qmstart"]


def started(bench: Bench, *kinds: str) -> list[str]:
    return sorted(task.upid.type for task in bench.simulator.tasks() if task.upid.type in kinds)


def test_the_numbers_above_cover_every_effect(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    vm_id = bench.vm(gpu_count=2)
    with power_cut_after(1000, monkeypatch) as done:
        bench.settle(vm_id)
        assert len(done) == CREATE_EFFECTS, done
        for asked, effects in (
            (Asked.RESTART, RESTART_EFFECTS),
            (Asked.STOP, STOP_EFFECTS),
            (Asked.START, START_EFFECTS),
            (Asked.DESTROY, DESTROY_EFFECTS),
        ):
            done.clear()
            bench.ask(vm_id, asked)
            bench.settle(vm_id)
            assert len(done) == effects, (asked, done)
