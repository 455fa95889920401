"""What an owner sees of interruptions: the notice while it runs, and the history."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from orchestrator.vms import notices, operations
from orchestrator.vms.models import Interruption, Operation, Vm
from orchestrator.vms.pipelines import Kind
from orchestrator.vms.statuses import Status
from orchestrator.vms.transitions import move


@pytest.fixture
def vm(seed):
    """An interruptible VM that runs."""
    vm_id = seed.vm(rental_type="interruptible").id
    bring(seed, vm_id, Status.STARTING, Status.RUNNING)
    return vm_id


def bring(seed, vm_id, *statuses):
    """Walk it through statuses, its operation being over."""
    with seed.database.transaction() as tx:
        row = tx.get_one(Vm, vm_id)
        tx.execute(
            update(Operation).where(Operation.vm_id == vm_id).values(state="done", finished_at=func.now())
        )
        for status in statuses:
            move(tx, row, status, actor="innkeeper", cause="test")


def interrupt(seed, vm_id, displaced_by=None):
    """A whole interruption, its notice being over at once."""
    cause = "drain" if displaced_by is None else "reclaim"
    with seed.database.transaction() as tx:
        notices.give(tx, tx.get_one(Vm, vm_id), cause=cause, seconds=0, displaced_by=displaced_by)
    bring(seed, vm_id, Status.STOPPING, Status.INTERRUPTED)


def history(caller, vm_id):
    answer = caller("GET", f"/vms/{vm_id}/interruption-history")
    assert answer.status_code == 200
    return answer.json()


def test_a_notice_shows_when_the_shutdown_begins(caller, seed, vm):
    other = seed.vm(rental_type="interruptible").id
    with seed.database.transaction() as tx:
        until = notices.give(tx, tx.get_one(Vm, vm), cause="drain", seconds=120)
    shown = {one["id"]: one["interrupts_at"] for one in caller("GET", "/vms").json()}
    assert datetime.fromisoformat(shown[str(vm)]) == until
    assert shown[str(other)] is None
    assert caller("GET", f"/vms/{vm}").json()["interrupts_at"] == shown[str(vm)]
    assert history(caller, vm) == [], "it has not been interrupted yet"


def test_an_interrupted_vm_names_who_took_its_place(caller, seed, vm):
    payer = seed.vm().id
    interrupt(seed, vm, displaced_by=payer)
    [record] = history(caller, vm)
    assert record["interruptible_vm_id"] == str(vm)
    assert record["preempted_by_vm_id"] == str(payer)
    assert record["preempted_at"].endswith("Z")
    assert (record["restored_at"], record["downtime_seconds"], record["status"]) == (
        None,
        None,
        "interrupted",
    )
    assert caller("GET", f"/vms/{vm}").json()["interrupts_at"] is None


def test_a_restored_vm_tells_its_downtime_and_the_newest_comes_first(caller, seed, vm):
    interrupt(seed, vm)
    with seed.database.transaction() as tx:
        ago = timedelta(seconds=90)
        tx.execute(
            update(Interruption).values(
                notice_until=Interruption.notice_until - ago, interrupted_at=Interruption.interrupted_at - ago
            )
        )
    bring(seed, vm, Status.STARTING, Status.RUNNING)
    interrupt(seed, vm)
    second, first = history(caller, vm)
    assert (first["status"], second["status"]) == ("restored", "interrupted")
    assert 90 <= first["downtime_seconds"] < 100
    assert first["restored_at"] is not None
    assert first["preempted_by_vm_id"] is None


def test_one_that_was_stopped_instead_of_coming_back_is_cancelled(caller, seed, vm):
    interrupt(seed, vm)
    bring(seed, vm, Status.STOPPED)
    [record] = history(caller, vm)
    assert (record["status"], record["restored_at"], record["downtime_seconds"]) == ("cancelled", None, None)


def test_a_restore_that_is_given_up_is_counted(seed, vm):
    interrupt(seed, vm)
    bring(seed, vm, Status.STARTING, Status.STOPPING, Status.INTERRUPTED)
    bring(seed, vm, Status.OFFLINE, Status.INTERRUPTED)
    with seed.database.transaction() as tx:
        record = tx.scalars(select(Interruption)).one()
    assert (record.state, record.tries) == ("interrupted", 1)
    assert record.tried_at is not None


def test_an_interruption_that_was_not_announced_leaves_no_record(seed, vm):
    with seed.database.transaction() as tx:
        operations.begin(tx, tx.get_one(Vm, vm), Kind.INTERRUPT, actor="test")
    bring(seed, vm, Status.STOPPING, Status.INTERRUPTED)
    with seed.database.transaction() as tx:
        assert tx.scalar(select(func.count()).select_from(Interruption)) == 0


def test_another_account_sees_nothing(make_caller, seed, vm):
    stranger = make_caller("stranger@example.org")
    assert stranger("GET", f"/vms/{vm}/interruption-history").status_code == 404
