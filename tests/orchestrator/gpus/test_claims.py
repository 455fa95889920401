"""Claims: one GPU, one VM, refused by the database and not only by the code."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from orchestrator.accounts import users
from orchestrator.catalog.models import Gpu
from orchestrator.errors import InsufficientCapacity
from orchestrator.gpus import claims
from orchestrator.gpus.models import Claim
from orchestrator.gpus.quarantine import quarantine
from orchestrator.intake.request import VmRequest
from orchestrator.vms.models import Operation, Vm
from tests.seed import PASSWORD, Seed

PASSWORD_LOGIN = {"auth_method": "password", "password": PASSWORD}


def live_claims(seed: Seed) -> int:
    with seed.database.transaction() as tx:
        return tx.scalar(select(func.count()).where(Claim.released_at.is_(None))) or 0


def test_the_database_refuses_a_second_live_claim_on_a_gpu(seed: Seed) -> None:
    first, second = seed.vm(), seed.vm()
    with seed.database.transaction() as tx:
        gpu_id = tx.scalar(select(Claim.gpu_id).where(Claim.vm_id == first.id))
    with pytest.raises(IntegrityError, match="uq_claims_one_live_a_gpu"), seed.database.transaction() as tx:
        tx.execute(
            insert(Claim).values(gpu_id=gpu_id, vm_id=second.id, node_id="vm01", gpu_type="5090", slot=1)
        )


def test_the_database_refuses_a_claim_on_another_node(seed: Seed) -> None:
    vm = seed.vm()
    with seed.database.transaction() as tx:
        elsewhere = tx.scalar(select(Gpu.id).where(Gpu.node_id == "vm02").limit(1))
    for node_id in ("vm01", "vm02"):
        with pytest.raises(IntegrityError, match="violates foreign key"), seed.database.transaction() as tx:
            tx.execute(
                insert(Claim).values(gpu_id=elsewhere, vm_id=vm.id, node_id=node_id, gpu_type="5090", slot=1)
            )


def test_the_database_refuses_a_claim_of_a_quarantined_gpu(seed: Seed) -> None:
    vm = seed.vm()
    with seed.database.transaction() as tx:
        quarantine(tx, "vm01", "gpu-vm01-7", cause="operator", reason="test")
        gpu_id = tx.scalar(select(Gpu.id).where(Gpu.mapping == "gpu-vm01-7"))
    with pytest.raises(IntegrityError, match="quarantined or retired"), seed.database.transaction() as tx:
        tx.execute(insert(Claim).values(gpu_id=gpu_id, vm_id=vm.id, node_id="vm01", gpu_type="5090", slot=1))


def test_the_database_refuses_a_claim_of_a_vm_that_has_ended(seed: Seed) -> None:
    vm_id = seed.vm().id
    with seed.database.transaction() as tx:
        vm = tx.get_one(Vm, vm_id)
        claims.release(tx, vm, because="test")
        vm.status = "destroyed"
    with pytest.raises(IntegrityError, match="has ended"), seed.database.transaction() as tx:
        claims.claim(tx, tx.get_one(Vm, vm_id))


def test_sixteen_at_once_get_exactly_the_eight_gpus(seed: Seed) -> None:
    facts: list[dict[str, object]] = []

    def ask(user_id: int) -> bool:
        try:
            seed.intake.submit(user_id, VmRequest(**seed.body(**PASSWORD_LOGIN)))
        except InsufficientCapacity as refused:
            facts.append(refused.facts)
            return False
        return True

    # Users of their own: one account's requests wait for each other anyway.
    with seed.database.transaction() as tx:
        guests = [users.add(tx, f"guest{n}@example.org").id for n in range(16)]
    with ThreadPoolExecutor(8) as pool:
        accepted = list(pool.map(ask, guests))
    assert sum(accepted) == 8
    assert facts == [{"node": "vm01", "gpu_type": "5090", "free": 0, "needed": 1, "reclaimable": 0}] * 8
    assert live_claims(seed) == 8


def test_the_gate_makes_contending_claims_wait_instead_of_collide(seed: Seed) -> None:
    """Sixteen VMs that lost their claims want eight GPUs at once, as restarts after an outage would."""
    let_go = text(
        "UPDATE claims SET released_at = now(), released_because = 'test' WHERE released_at IS NULL"
    )
    at_rest = text("UPDATE operations SET state = 'done', finished_at = now() WHERE state = 'open'")
    vm_ids = []
    for _ in range(2):
        vm_ids += [seed.vm().id for _ in range(8)]
        with seed.database.transaction() as tx:
            tx.execute(let_go)
            tx.execute(at_rest)

    def claim(vm_id: UUID) -> bool:
        try:
            with seed.database.transaction() as tx:
                claims.claim(tx, tx.get_one(Vm, vm_id))
        except InsufficientCapacity:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, vm_ids)) == 8
    assert live_claims(seed) == 8


def test_a_quarantined_card_is_not_offered(seed: Seed) -> None:
    with seed.database.transaction() as tx:
        quarantine(tx, "vm01", "gpu-vm01-0", cause="operator", reason="reset failed")
        assert len(claims.free_cards(tx, "vm01", "5090")) == 7
        assert claims.free_counts(tx) == {("vm01", "5090"): 7, ("vm02", "5090"): 8}
    with pytest.raises(InsufficientCapacity, match="has 7 free 5090 GPUs, 8 are needed"):
        seed.vm(gpu_count=8)


def test_claiming_twice_changes_nothing(seed: Seed) -> None:
    vm_id = seed.vm(gpu_count=2).id
    with seed.database.transaction() as tx:
        vm = tx.get_one(Vm, vm_id)
        before = claims.held_mappings(tx, vm)
        claims.claim(tx, vm)
        assert claims.held_mappings(tx, vm) == before
        assert list(before) == [0, 1]


def park(seed: Seed, *vm_ids: UUID, let_go: bool) -> None:
    """They wait for capacity, without GPUs if they `let_go` of them."""
    with seed.database.transaction() as tx:
        tx.execute(
            update(Operation)
            .where(Operation.vm_id.in_(vm_ids))
            .values(state="parked", parked_for="capacity", not_before=func.now() + timedelta(hours=1))
        )
        if let_go:
            tx.execute(
                update(Claim)
                .where(Claim.vm_id.in_(vm_ids))
                .values(released_at=func.now(), released_because="test")
            )


def holdings(seed: Seed, *vm_ids: UUID) -> list[int]:
    with seed.database.transaction() as tx:
        return [len(claims.held_mappings(tx, tx.get_one(Vm, vm_id))) for vm_id in vm_ids]


def test_the_line_is_served_in_order_and_interruptible_ones_take_all_or_nothing(seed: Seed) -> None:
    leaving = seed.vm(gpu_count=4).id
    with seed.database.transaction() as tx:
        tx.execute(update(Operation).values(state="done", finished_at=func.now()))
    cheap, small, first = (
        seed.vm(gpu_count=count, rental_type=rental).id
        for count, rental in ((2, "interruptible"), (1, "interruptible"), (1, "on_demand"))
    )
    park(seed, cheap, small, first, let_go=True)
    with seed.database.transaction() as tx:
        for number in (4, 5, 6, 7, 0, 1):  # two are left
            quarantine(tx, "vm01", f"gpu-vm01-{number}", cause="operator", reason="test")
    with seed.database.transaction() as tx:
        claims.release(tx, tx.get_one(Vm, leaving), because="test")
    assert holdings(seed, cheap, small, first) == [0, 1, 1]


def test_who_looks_again_does_not_overtake_the_line(seed: Seed) -> None:
    first, second = seed.vm(gpu_count=4).id, seed.vm(gpu_count=4).id
    park(seed, first, second, let_go=True)
    with seed.database.transaction() as tx:
        for number in range(4):
            quarantine(tx, "vm01", f"gpu-vm01-{number}", cause="operator", reason="test")
    with pytest.raises(InsufficientCapacity), seed.database.transaction() as tx:
        claims.claim(tx, tx.get_one(Vm, second))
    with seed.database.transaction() as tx:
        claims.claim(tx, tx.get_one(Vm, first))
    assert holdings(seed, first, second) == [4, 0]


def test_who_has_no_gpus_any_more_for_a_reason_of_its_own_is_not_given_them_back(seed: Seed) -> None:
    vm_id = seed.vm(gpu_count=8).id
    with seed.database.transaction() as tx:
        claims.release(tx, tx.get_one(Vm, vm_id), because="test")
    assert holdings(seed, vm_id) == [0]


def test_release_frees_the_cards_and_wakes_who_waits_for_capacity(seed: Seed) -> None:
    waiting, leaving = seed.vm(), seed.vm(gpu_count=4)
    with seed.database.transaction() as tx:
        tx.execute(
            update(Operation)
            .where(Operation.vm_id == waiting.id)
            .values(
                state="parked", parked_for="capacity", not_before=func.now() + func.make_interval(0, 0, 0, 1)
            )
        )
    with seed.database.transaction() as tx:
        claims.release(tx, tx.get_one(Vm, leaving.id), because="test")
        due = tx.scalar(
            select(Operation.not_before <= func.clock_timestamp()).where(Operation.vm_id == waiting.id)
        )
    assert due
    assert live_claims(seed) == 1


def test_what_the_line_leaves_is_told_without_giving_it(seed: Seed) -> None:
    """Also where GPUs have come back and nobody has been given them yet."""
    holder = seed.vm(gpu_count=8, rental_type="interruptible", node="vm02")
    waiter = seed.vm(gpu_count=4, node="vm02")
    with seed.database.transaction() as tx:
        three = select(Claim.id).where(Claim.vm_id == holder.id).order_by(Claim.id).limit(3)
        tx.execute(
            update(Claim).where(Claim.id.in_(three)).values(released_at=func.now(), released_because="test")
        )
        assert len(claims.free_cards(tx, "vm02", "5090")) == 3
        assert claims.unpromised(tx, "vm02", "5090") == []
        tx.execute(
            update(Claim)
            .where(Claim.vm_id == holder.id, Claim.released_at.is_(None))
            .values(released_at=func.now(), released_because="test")
        )
        left = claims.unpromised(tx, "vm02", "5090")
        claims.hand_on(tx, "vm02", "5090")
        assert claims.free_cards(tx, "vm02", "5090") == left
        assert len(claims.held_mappings(tx, tx.get_one(Vm, waiter.id))) == 4
