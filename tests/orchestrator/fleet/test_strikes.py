"""Two different VMs that could not be started with a card put it into quarantine."""

from uuid import UUID

from sqlalchemy import select

from orchestrator.fleet import strikes
from orchestrator.fleet.models import GpuStrike
from orchestrator.gpus import claims, quarantine
from orchestrator.vms.models import Vm
from orchestrator.vms.statuses import Status
from tests.orchestrator.fleet.watched import Fleet

CARDS = ["gpu-vm01-0", "gpu-vm01-1"]


def strike(fleet: Fleet, vm_id: UUID) -> list[str]:
    with fleet.seed.database.transaction() as tx:
        return strikes.strike(tx, tx.get_one(Vm, vm_id), "VM 7 could not be started")


def hand_over(fleet: Fleet, vm_id: UUID) -> UUID:
    """Another VM gets the very cards."""
    with fleet.seed.database.transaction() as tx:
        claims.release(tx, tx.get_one(Vm, vm_id), because="test")
    return fleet.vm(Status.CREATING, gpu_count=2)


def struck(fleet: Fleet) -> int:
    with fleet.seed.database.transaction() as tx:
        return len(tx.scalars(select(GpuStrike.gpu_id)).all())


def test_the_second_vm_brings_it_down(fleet: Fleet) -> None:
    first = fleet.vm(Status.CREATING, gpu_count=2)
    assert strike(fleet, first) == []
    second = hand_over(fleet, first)
    assert strike(fleet, second) == CARDS
    gpu = fleet.gpu("gpu-vm01-0")
    assert (gpu.health, gpu.quarantine_cause) == ("quarantined", "start")
    assert "2 different VMs could not be started with it" in (gpu.quarantine_reason or "")
    assert fleet.gpu("gpu-vm01-2").health == "ok"


def test_one_vm_alone_does_not_however_often_it_fails(fleet: Fleet) -> None:
    vm_id = fleet.vm(Status.CREATING, gpu_count=2)
    assert [strike(fleet, vm_id) for _ in range(3)] == [[], [], []]
    assert struck(fleet) == 2


def test_a_start_that_succeeds_clears_them(fleet: Fleet) -> None:
    first = fleet.vm(Status.CREATING, gpu_count=2)
    strike(fleet, first)
    second = hand_over(fleet, first)
    with fleet.seed.database.transaction() as tx:
        strikes.clear(tx, tx.get_one(Vm, second))
    assert struck(fleet) == 0
    assert strike(fleet, second) == []


def test_a_card_that_is_quarantined_already_keeps_its_reason(fleet: Fleet) -> None:
    first = fleet.vm(Status.CREATING, gpu_count=2)
    strike(fleet, first)
    second = hand_over(fleet, first)
    with fleet.seed.database.transaction() as tx:
        quarantine.quarantine(tx, "vm01", "gpu-vm01-0", cause="operator", reason="it smells")
    assert strike(fleet, second) == ["gpu-vm01-1"]
    assert fleet.gpu("gpu-vm01-0").quarantine_reason == "it smells"


def test_a_card_that_is_released_begins_anew(fleet: Fleet) -> None:
    strike(fleet, fleet.vm(Status.CREATING, gpu_count=2))
    with fleet.seed.database.transaction() as tx:
        quarantine.quarantine(tx, "vm01", "gpu-vm01-0", cause="operator", reason="a look")
        quarantine.lift(tx, "vm01", "gpu-vm01-0")
    assert struck(fleet) == 1
