"""Reclaim: who pays gets GPUs of interruptible VMs, with notice, once, and nobody can steal them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from orchestrator.catalog.models import Gpu
from orchestrator.errors import InsufficientCapacity
from orchestrator.gpus.claims import CapacityWanted, gate
from orchestrator.gpus.models import Claim
from orchestrator.gpus.quarantine import quarantine
from orchestrator.intake.asking import ask
from orchestrator.intake.lifecycle import Asked
from orchestrator.scheduler.reclaim import _displace, reclaim, reclaim_on
from orchestrator.settings import Settings
from orchestrator.vms import operations
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import Status
from tests.orchestrator.scheduler.life import Life
from tests.seed import Seed

SETTINGS = Settings(_env_file=None)
WorkerAt = Callable[[Vm], AbstractContextManager[None]]


@pytest.fixture
def life(seed: Seed) -> Life:
    return Life(seed)


@pytest.fixture
def worker_at(life: Life) -> WorkerAt:
    """A worker works on the VM's operation for a while."""

    @contextmanager
    def hold(vm: Vm) -> Iterator[None]:
        database, operation = life.seed.database, life.operation(vm)
        with database.transaction() as tx:
            lease = operations.take(tx, operation.id, Step(operation.step), owner="test", seconds=60)
        assert lease is not None
        yield
        with database.transaction() as tx:
            operations.hand_back(operations.held(tx, lease)[0])

    return hold


def held(life: Life, vm: Vm) -> int:
    with life.seed.database.transaction() as tx:
        return tx.scalar(select(func.count()).where(Claim.vm_id == vm.id, Claim.released_at.is_(None))) or 0


def test_exactly_the_needed_vms_are_displaced(life: Life) -> None:
    victims = [life.running(gpu_count=count, rental_type="interruptible") for count in (4, 2, 1, 1)]
    waiter = life.vm(gpu_count=4)
    assert life.operation(waiter).parked_for == "capacity"
    assert life.seed.bell.told == [CapacityWanted("vm01")]
    assert reclaim(life.seed.database, SETTINGS) == "1 pools waited for; 1 changes"
    [notice] = life.interruptions()
    assert (notice.vm_id, notice.displaced_by, notice.state) == (victims[0].id, waiter.id, "announced")
    assert life.operation(victims[0]).kind == Kind.INTERRUPT
    assert life.status(victims[0]) == Status.RUNNING
    assert reclaim(life.seed.database, SETTINGS) == "1 pools waited for; 0 changes"


def test_both_sides_are_told(life: Life) -> None:
    victim = life.running(gpu_count=8, rental_type="interruptible")
    waiter = life.vm(gpu_count=1)
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    assert any("will be interrupted at" in text for text in life.told(victim))
    assert any("a VM with 8 GPUs makes room for it at" in text for text in life.told(waiter))


def test_the_notice_is_that_of_the_settings(life: Life) -> None:
    life.running(gpu_count=8, rental_type="interruptible")
    life.vm(gpu_count=1)
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    [notice] = life.interruptions()
    assert timedelta(seconds=119) < notice.notice_until - notice.announced_at < timedelta(seconds=130)


def test_gpus_go_to_the_waiter_in_the_transaction_that_releases_them(life: Life) -> None:
    victims = [life.running(gpu_count=4, rental_type="interruptible") for _ in range(2)]
    waiter = life.vm(gpu_count=8)
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    life.seed.bell.rung.clear()
    life.interrupted(victims[0])
    assert held(life, waiter) == 4
    assert life.operation(waiter).state == "parked"
    with pytest.raises(InsufficientCapacity):
        life.vm(gpu_count=1, rental_type="interruptible")
    life.interrupted(victims[1])
    assert held(life, waiter) == 8
    assert life.operation(waiter).state == "open"
    assert [ref.vm_id for ref in life.seed.bell.rung] == [waiter.id]


def test_paying_vms_are_never_displaced(life: Life) -> None:
    life.running(gpu_count=8, rental_type="reserved", reservation_months=1)
    with pytest.raises(InsufficientCapacity) as refused:
        life.vm(gpu_count=1)
    assert refused.value.facts == {
        "node": "vm01",
        "gpu_type": "5090",
        "free": 0,
        "needed": 1,
        "reclaimable": 0,
    }


def test_interruptible_ones_displace_nobody(life: Life) -> None:
    life.running(gpu_count=8, rental_type="interruptible")
    with pytest.raises(InsufficientCapacity):
        life.vm(gpu_count=1, rental_type="interruptible")


def test_what_others_wait_for_is_not_promised_twice(life: Life) -> None:
    life.running(gpu_count=8, rental_type="interruptible")
    life.vm(gpu_count=4)
    life.vm(gpu_count=4)
    with pytest.raises(InsufficientCapacity):
        life.vm(gpu_count=1)


def test_one_that_is_being_created_is_displaced_once_it_runs(life: Life) -> None:
    early = life.vm(gpu_count=8, rental_type="interruptible")
    waiter = life.vm(gpu_count=2)
    assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 0
    life.finish(early)
    assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 1
    assert life.interruptions()[0].displaced_by == waiter.id


def test_a_waiter_that_is_cancelled_stops_the_notice(life: Life) -> None:
    victim = life.running(gpu_count=8, rental_type="interruptible")
    waiter = life.vm(gpu_count=2)
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    ask(life.seed.database, life.seed.user_id, waiter.id, Asked.DESTROY)
    assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 1
    assert [one.state for one in life.interruptions()] == ["cancelled"]
    assert life.live(victim) is None
    assert life.status(victim) == Status.RUNNING


def test_a_notice_that_is_over_is_not_called_off(life: Life) -> None:
    victim = life.running(gpu_count=8, rental_type="interruptible")
    waiter = life.vm(gpu_count=2)
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    life.shift_notices()
    ask(life.seed.database, life.seed.user_id, waiter.id, Asked.DESTROY)
    assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 0
    assert life.operation(victim).kind == Kind.INTERRUPT


def test_a_notice_goes_on_for_the_next_in_line(life: Life) -> None:
    victim = life.running(gpu_count=8, rental_type="interruptible")
    first, second = life.vm(gpu_count=2), life.vm(gpu_count=2)
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    ask(life.seed.database, life.seed.user_id, first.id, Asked.DESTROY)
    with life.seed.database.transaction() as tx:
        tx.scalars(select(Vm).where(Vm.id == victim.id).with_for_update()).one()
        assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 0, "somebody holds it"
    assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 1
    [notice] = life.interruptions()
    assert (notice.state, notice.displaced_by) == ("announced", second.id)
    assert any("interrupted anyway makes room for it" in text for text in life.told(second))
    life.interrupted_row(notice.vm_id)
    assert held(life, second) == 2


def test_a_worker_at_the_notice_delays_what_changes_it(life: Life, worker_at: WorkerAt) -> None:
    victim = life.running(gpu_count=8, rental_type="interruptible")
    first, second = life.vm(gpu_count=2), life.vm(gpu_count=2)
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    ask(life.seed.database, life.seed.user_id, first.id, Asked.DESTROY)
    with worker_at(victim):
        assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 0
        ask(life.seed.database, life.seed.user_id, second.id, Asked.DESTROY)
        assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 0
    assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 1
    assert [one.state for one in life.interruptions()] == ["cancelled"]


def test_who_asked_first_is_served_first(life: Life) -> None:
    leaving = life.running(gpu_count=8, rental_type="interruptible")
    waiters = [life.vm(gpu_count=count) for count in (4, 2, 2)]
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    with life.seed.database.transaction() as tx:
        tx.execute(
            update(Gpu).where(Gpu.mapping.like("gpu-vm01-%"), Gpu.id % 2 == 1).values(retired_at=func.now())
        )
    life.interrupted(leaving)
    assert [held(life, waiter) for waiter in waiters] == [4, 0, 0]


def test_gpus_that_come_without_a_release_go_to_who_waits(life: Life) -> None:
    with life.seed.database.transaction() as tx:
        quarantine(tx, "vm01", "gpu-vm01-7", cause="operator", reason="test")
    life.running(gpu_count=4, rental_type="interruptible")
    life.running(gpu_count=2)
    waiter = life.vm(gpu_count=4)
    assert held(life, waiter) == 1
    with life.seed.database.transaction() as tx:
        tx.execute(
            update(Gpu).values(
                health="ok", quarantine_cause=None, quarantine_reason=None, quarantined_at=None
            )
        )
    assert reclaim(life.seed.database, SETTINGS) == "1 pools waited for; 1 changes"
    assert held(life, waiter) == 2


def test_a_vm_that_cannot_be_stopped_is_not_waited_for(life: Life) -> None:
    stuck = life.running(gpu_count=4)
    victim = life.running(gpu_count=4, rental_type="interruptible")
    ask(life.seed.database, life.seed.user_id, stuck.id, Asked.DESTROY)
    waiter = life.vm(gpu_count=4)
    assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 0, "its GPUs come anyway"
    with life.seed.database.transaction() as tx:
        tx.execute(
            update(Operation)
            .where(Operation.vm_id == stuck.id, Operation.finished_at.is_(None))
            .values(state="parked", parked_for="operator")
        )
    assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 1
    assert [(one.vm_id, one.displaced_by) for one in life.interruptions()] == [(victim.id, waiter.id)]


def test_a_worker_that_holds_the_waiter_delays_its_end(life: Life) -> None:
    life.running(gpu_count=8, rental_type="interruptible")
    waiter = life.vm(gpu_count=8)
    with life.seed.database.transaction() as tx:
        quarantine(tx, "vm01", "gpu-vm01-0", cause="operator", reason="test")
        tx.execute(
            update(Operation).where(Operation.vm_id == waiter.id).values(state="open", parked_for=None)
        )
    life.age(waiter, seconds=SETTINGS.capacity_wait_seconds + 1)
    assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 0
    with life.seed.database.transaction() as tx:
        tx.scalars(select(Vm).where(Vm.id == waiter.id).with_for_update()).one()
        assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 0


def test_what_a_cancelled_waiter_held_goes_to_the_next(life: Life) -> None:
    victims = [life.running(gpu_count=4, rental_type="interruptible") for _ in range(2)]
    first, second = life.vm(gpu_count=8), None
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    life.interrupted(victims[0])
    ask(life.seed.database, life.seed.user_id, first.id, Asked.DESTROY)
    second = life.vm(gpu_count=4)
    assert held(life, second) == 0
    life.finish(first)
    assert held(life, second) == 4


def test_who_waits_in_vain_fails_with_a_reason(life: Life) -> None:
    life.running(gpu_count=8, rental_type="interruptible")
    waiter = life.vm(gpu_count=8)
    with life.seed.database.transaction() as tx:
        quarantine(tx, "vm01", "gpu-vm01-0", cause="operator", reason="test")
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    assert life.operation(waiter).kind == Kind.CREATE
    life.age(waiter, seconds=SETTINGS.capacity_wait_seconds + 1)
    assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 1
    assert life.operation(waiter).kind == Kind.ROLL_BACK
    assert any("did not come free" in text for text in life.told(waiter))


def test_schedulers_that_look_at_once_issue_one_notice(life: Life) -> None:
    life.running(gpu_count=8, rental_type="interruptible")
    life.vm(gpu_count=1)
    with ThreadPoolExecutor(4) as pool:
        changes = list(pool.map(lambda _: reclaim_on(life.seed.database, SETTINGS, "vm01"), range(4)))
    assert sum(changes) == 1
    assert len(life.interruptions()) == 1


def test_nothing_is_decided_while_somebody_is_behind_the_gate(life: Life) -> None:
    life.running(gpu_count=8, rental_type="interruptible")
    life.vm(gpu_count=1)
    with ThreadPoolExecutor(1) as pool:
        with life.seed.database.transaction() as tx:
            gate(tx, "vm01")
            decision = pool.submit(reclaim_on, life.seed.database, SETTINGS, "vm01")
            with pytest.raises(TimeoutError):
                decision.result(timeout=0.5)
        assert decision.result(timeout=30) == 1


def test_a_vm_that_somebody_holds_is_left_to_the_next_look(life: Life) -> None:
    victim = life.running(gpu_count=8, rental_type="interruptible")
    life.vm(gpu_count=1)
    with life.seed.database.transaction() as tx:
        tx.scalars(select(Vm).where(Vm.id == victim.id).with_for_update()).one()
        assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 0
    assert reclaim_on(life.seed.database, SETTINGS, "vm01") == 1


def test_a_vm_that_is_in_other_hands_by_now_is_not_displaced(life: Life) -> None:
    victim, waiter = life.running(gpu_count=8, rental_type="interruptible"), life.vm(gpu_count=1)
    ask(life.seed.database, life.seed.user_id, victim.id, Asked.RESTART)
    with life.seed.database.transaction() as tx:
        assert not _displace(tx, 120, victim.id, waiter.id)
    assert life.interruptions() == []


def test_a_node_that_is_offline_is_left_alone(life: Life) -> None:
    life.running(gpu_count=8, rental_type="interruptible")
    life.vm(gpu_count=1)
    life.offline("vm01")
    assert reclaim(life.seed.database, SETTINGS) == "0 pools waited for; 0 changes"
