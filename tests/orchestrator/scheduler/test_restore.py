"""Restore: interrupted VMs come back by themselves, in order, when there is room again."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update

from orchestrator.fleet.drain import drain
from orchestrator.gpus import fleet
from orchestrator.intake.asking import ask
from orchestrator.intake.lifecycle import Asked
from orchestrator.scheduler.reclaim import reclaim_on
from orchestrator.scheduler.restore import _bring_back, restore
from orchestrator.settings import Settings
from orchestrator.vms import operations
from orchestrator.vms.models import Interruption, Vm
from orchestrator.vms.pipelines import Kind
from orchestrator.vms.statuses import Status
from tests.orchestrator.scheduler.life import Life
from tests.seed import Seed

SETTINGS = Settings(cool_down_seconds=300, headroom=0, headroom_most=0, _env_file=None)


@pytest.fixture
def life(seed: Seed) -> Life:
    return Life(seed)


def displaced(life: Life, *, gpus: int = 8) -> tuple[Vm, Vm]:
    """An interrupted VM and the one that took its place."""
    victim = life.running(gpu_count=gpus, rental_type="interruptible")
    waiter = life.vm(gpu_count=8)
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    life.interrupted(victim)
    life.finish(waiter)
    return victim, waiter


def leaves(life: Life, vm: Vm) -> None:
    ask(life.seed.database, life.seed.user_id, vm.id, Asked.DESTROY)
    life.finish(vm)


def test_it_comes_back_when_there_is_room_and_it_has_cooled_down(life: Life) -> None:
    victim, waiter = displaced(life)
    assert restore(life.seed.database, SETTINGS) == "0 of 1 interrupted VMs begin to come back"
    leaves(life, waiter)
    assert restore(life.seed.database, SETTINGS) == "0 of 1 interrupted VMs begin to come back"
    life.past(victim, seconds=301)
    assert restore(life.seed.database, SETTINGS) == "1 of 1 interrupted VMs begin to come back"
    assert life.operation(victim).kind == Kind.RESTORE
    life.finish(victim)
    [record] = life.interruptions()
    assert (record.state, life.status(victim)) == ("restored", Status.RUNNING)
    assert record.ended_at is not None


def test_never_while_a_paying_request_waits(life: Life) -> None:
    small = life.running(gpu_count=1, rental_type="interruptible")
    others = [life.running(gpu_count=1, rental_type="interruptible") for _ in range(7)]
    first = life.vm(gpu_count=1)
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    [notice] = life.interruptions()
    life.interrupted_row(notice.vm_id)
    life.finish(first)
    life.vm(gpu_count=4)
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    leaves(life, first)  # its GPU goes to the one that waits for four
    interrupted = next(vm for vm in (small, *others) if vm.id == notice.vm_id)
    life.past(interrupted, seconds=10_000)
    assert restore(life.seed.database, SETTINGS) == "0 of 1 interrupted VMs begin to come back"


def test_not_unless_its_owner_wants_it(life: Life) -> None:
    victim, waiter = displaced(life)
    leaves(life, waiter)
    life.past(victim, seconds=301)
    with life.seed.database.transaction() as tx:
        tx.execute(update(Vm).where(Vm.id == victim.id).values(auto_restart=False))
    assert restore(life.seed.database, SETTINGS) == "0 of 0 interrupted VMs begin to come back"


def test_the_headroom_is_kept_but_not_for_ever(life: Life) -> None:
    victim, waiter = displaced(life)
    leaves(life, waiter)
    life.past(victim, seconds=301)
    keeping = SETTINGS.model_copy(update={"headroom": 0.6, "longest_wait_seconds": 3600.0})
    assert restore(life.seed.database, keeping) == "0 of 1 interrupted VMs begin to come back"
    life.past(victim, seconds=3600)
    assert restore(life.seed.database, keeping) == "1 of 1 interrupted VMs begin to come back"


def test_a_restore_that_is_given_up_keeps_the_disk_and_cools_down_longer(life: Life) -> None:
    victim, waiter = displaced(life)
    leaves(life, waiter)
    life.past(victim, seconds=301)
    restore(life.seed.database, SETTINGS)
    with life.seed.database.transaction() as tx:
        operation = operations.live(tx, victim.id)
        assert operation is not None
        operations.give_up(tx, operation, tx.get_one(Vm, victim.id), reason="its GPU is broken")
    assert life.operation(victim).kind == Kind.INTERRUPT
    life.finish(victim)
    assert life.status(victim) == Status.INTERRUPTED
    [record] = life.interruptions()
    assert (record.state, record.tries) == ("interrupted", 1)
    with life.seed.database.transaction() as tx:
        [waiting] = fleet.waiting(tx)["5090"].vms
    assert waiting.interruptions == 2


def test_a_vm_that_is_stopped_or_destroyed_meanwhile_is_not_restored(life: Life) -> None:
    victim, _ = displaced(life)
    ask(life.seed.database, life.seed.user_id, victim.id, Asked.STOP)
    assert (life.status(victim), life.interruptions()[0].state) == (Status.STOPPED, "cancelled")
    assert restore(life.seed.database, SETTINGS) == "0 of 0 interrupted VMs begin to come back"


def test_its_owner_may_start_it_at_once(life: Life) -> None:
    victim, waiter = displaced(life)
    leaves(life, waiter)
    ask(life.seed.database, life.seed.user_id, victim.id, Asked.START)
    life.finish(victim)
    assert (life.status(victim), life.interruptions()[0].state) == (Status.RUNNING, "restored")


def test_somebody_who_holds_it_delays_it(life: Life) -> None:
    victim, waiter = displaced(life)
    leaves(life, waiter)
    life.past(victim, seconds=301)
    with life.seed.database.transaction() as tx:
        tx.scalars(select(Vm).where(Vm.id == victim.id).with_for_update()).one()
        assert restore(life.seed.database, SETTINGS) == "0 of 1 interrupted VMs begin to come back"
    assert restore(life.seed.database, SETTINGS) == "1 of 1 interrupted VMs begin to come back"


def test_a_drain_or_a_newcomer_that_came_in_between_is_seen(life: Life) -> None:
    victim, waiter = displaced(life)
    assert not _bring_back(life.seed.database, victim.id), "its GPUs are taken"
    leaves(life, waiter)
    with life.seed.database.transaction() as tx:
        drain(tx, "vm01")
    assert not _bring_back(life.seed.database, victim.id)
    assert life.status(victim) == Status.INTERRUPTED


def test_those_displaced_often_come_first_then_the_first_to_go(life: Life) -> None:
    victims = [life.running(gpu_count=2, rental_type="interruptible") for _ in range(4)]
    waiter = life.vm(gpu_count=8)
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    for vm in victims:
        life.interrupted(vm)
    life.finish(waiter)
    leaves(life, waiter)
    blocker = life.vm(gpu_count=4)
    life.finish(blocker)
    often, late, early, latest = victims
    with life.seed.database.transaction() as tx:
        tx.execute(update(Interruption).where(Interruption.vm_id == often.id).values(tries=1))
    for vm, seconds in ((often, 1000), (late, 2000), (early, 3000), (latest, 1500)):
        life.past(vm, seconds=seconds)
    assert restore(life.seed.database, SETTINGS) == "2 of 4 interrupted VMs begin to come back"
    assert life.live(often) is not None
    assert life.live(early) is not None


def test_two_schedulers_bring_each_back_once(life: Life) -> None:
    victim, waiter = displaced(life)
    leaves(life, waiter)
    with ThreadPoolExecutor(4) as pool:
        begun = list(pool.map(lambda _: _bring_back(life.seed.database, victim.id), range(4)))
    assert sum(begun) == 1
