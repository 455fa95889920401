"""Admission: GPUs at once, or a place in line where displacing makes room, or a refusal with figures."""

from typing import Any

import pytest
from sqlalchemy import func, select, update

from orchestrator.catalog.models import Node
from orchestrator.errors import InsufficientCapacity, StateConflict
from orchestrator.gpus import claims
from orchestrator.gpus.claims import CapacityFreed, CapacityWanted
from orchestrator.intake import capacity
from orchestrator.intake.request import VmRequest
from orchestrator.intake.submit import Intake
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.statuses import Status
from tests.orchestrator.intake.conftest import MakeVm
from tests.seed import SETTINGS, Seed


def operation(seed: Seed, vm: Vm) -> Operation:
    with seed.database.transaction() as tx:
        return tx.scalars(select(Operation).where(Operation.vm_id == vm.id)).one()


def held(seed: Seed, vm: Vm) -> int:
    with seed.database.transaction() as tx:
        return len(claims.held_mappings(tx, tx.get_one(Vm, vm.id)))


def test_who_can_be_served_by_displacing_is_accepted_and_takes_what_is_free(
    seed: Seed, make_vm: MakeVm
) -> None:
    make_vm(Status.RUNNING, gpu_count=4, rental_type="interruptible")
    make_vm(Status.RUNNING, gpu_count=2)
    waiter = seed.vm(gpu_count=4)
    parked = operation(seed, waiter)
    assert (parked.state, parked.parked_for, parked.step) == ("parked", "capacity", "reserve")
    assert waiter.status == Status.CREATING
    assert held(seed, waiter) == 2, "nobody may overtake it"
    assert seed.bell.told == [CapacityWanted("vm01")]


@pytest.mark.parametrize("rental", [{}, {"rental_type": "reserved", "reservation_months": 1}])
def test_on_demand_and_reserved_displace(seed: Seed, make_vm: MakeVm, rental: dict[str, Any]) -> None:
    make_vm(Status.RUNNING, gpu_count=8, rental_type="interruptible")
    assert operation(seed, seed.vm(gpu_count=1, **rental)).parked_for == "capacity"


def test_a_refusal_has_figures_and_leaves_nothing(seed: Seed, make_vm: MakeVm) -> None:
    make_vm(Status.RUNNING, gpu_count=4)
    make_vm(Status.RUNNING, gpu_count=2, rental_type="interruptible")
    with pytest.raises(InsufficientCapacity, match="would give 4") as refused:
        seed.vm(gpu_count=8)
    assert refused.value.facts == {
        "node": "vm01",
        "gpu_type": "5090",
        "free": 2,
        "needed": 8,
        "reclaimable": 4,
    }
    assert seed.bell.told == []


def test_nobody_overtakes_who_waits(seed: Seed, make_vm: MakeVm) -> None:
    make_vm(Status.RUNNING, gpu_count=8, rental_type="interruptible")
    waiter = seed.vm(gpu_count=4)
    with seed.database.transaction() as tx:  # one GPU comes without a release
        tx.execute(
            update(claims.Claim)
            .where(claims.Claim.slot == 7)
            .values(released_at=func.now(), released_because="test")
        )
    with pytest.raises(InsufficientCapacity):
        seed.vm(gpu_count=1, rental_type="interruptible")
    second = seed.vm(gpu_count=1)
    assert (held(seed, waiter), held(seed, second)) == (1, 0)


def test_a_waiter_at_the_node_of_another_gpu_type_is_in_nobodys_way(seed: Seed, make_vm: MakeVm) -> None:
    make_vm(Status.RUNNING, gpu_count=8, rental_type="interruptible")
    seed.vm(gpu_count=8)
    assert held(seed, seed.vm(gpu_count=8, node="vm02")) == 8


def test_a_new_interruptible_vm_may_have_to_leave_the_headroom(seed: Seed) -> None:
    strict = SETTINGS.model_copy(update={"headroom": 0.25, "headroom_most": 0.25, "headroom_for_new": True})
    intake = Intake(seed.database, strict)

    def ask(**wanted: Any) -> Vm:
        return intake.submit(seed.user_id, VmRequest(**seed.body(**wanted))).vm

    ask(gpu_count=8, rental_type="interruptible")
    ask(gpu_count=4, rental_type="interruptible", node="vm02")
    with pytest.raises(InsufficientCapacity, match="would leave too few free ones") as refused:
        ask(gpu_count=1, rental_type="interruptible", node="vm02")
    assert refused.value.facts == {"node": "vm02", "gpu_type": "5090", "free": 4, "needed": 1}
    assert held(seed, ask(gpu_count=4, node="vm02")) == 4, "it is kept for those who pay"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"offline_since": func.now(), "misses": 3, "missed_since": func.now()}, "does not answer"),
        ({"state": "draining"}, "is being drained"),
        ({"retired_at": func.now()}, "is being drained"),
    ],
)
def test_a_node_that_takes_no_vms_is_seen_behind_its_gate(
    seed: Seed, make_vm: MakeVm, change: dict[str, Any], words: str
) -> None:
    vm = make_vm(Status.STOPPED)
    with seed.database.transaction() as tx:
        tx.execute(update(Node).where(Node.id == "vm01").values(**change))
    with pytest.raises(StateConflict, match=words), seed.database.transaction() as tx:
        capacity.secure(tx, tx.get_one(Vm, vm.id))


def test_a_request_to_a_node_that_is_offline_is_refused(seed: Seed) -> None:
    with seed.database.transaction() as tx:
        tx.execute(update(Node).values(offline_since=func.now(), misses=3, missed_since=func.now()))
    with pytest.raises(StateConflict, match="does not answer"):
        seed.vm()


def test_a_release_that_nobody_waits_for_lets_the_interrupted_know(seed: Seed, make_vm: MakeVm) -> None:
    vm = make_vm(Status.RUNNING)
    with seed.database.transaction() as tx:
        claims.release(tx, tx.get_one(Vm, vm.id), because="test")
    assert seed.bell.told == [CapacityFreed("vm01")]
