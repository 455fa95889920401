"""A dry run says what the request would come to: the same as the submission, and it changes nothing."""

import random
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import InternalError

from orchestrator.accounts.models import User
from orchestrator.catalog.models import Address, Cluster, Gpu, Node, PriceList
from orchestrator.errors import InvalidRequest, NotReady, RequestRefused
from orchestrator.gpus.models import Claim
from orchestrator.intake.asking import ask
from orchestrator.intake.lifecycle import Asked
from orchestrator.intake.preview import Accepted, Refused, preview
from orchestrator.intake.request import VmRequest
from orchestrator.intake.submit import Intake
from orchestrator.scheduler.reclaim import reclaim_on
from orchestrator.settings import Settings
from orchestrator.store.database import Database
from orchestrator.vms.models import Interruption, Operation, Vm
from tests.orchestrator.scheduler.life import Life
from tests.seed import Seed, seed_catalog

SETTINGS = Settings(
    headroom=0, headroom_most=0, demand_factor=0, password_rounds=1000, cool_down_seconds=0, _env_file=None
)


@pytest.fixture
def life(seed: Seed) -> Life:
    return Life(replace(seed, intake=Intake(seed.database, SETTINGS)))


def look(life: Life, settings: Settings = SETTINGS, **changes: Any) -> Accepted | Refused:
    with life.seed.database.snapshot() as tx:
        return preview(tx, life.seed.user_id, VmRequest(**life.seed.body(**changes)), settings)


def accepted(life: Life, **changes: Any) -> Accepted:
    seen = look(life, **changes)
    assert isinstance(seen, Accepted), seen
    return seen


def refused(life: Life, **changes: Any) -> Refused:
    seen = look(life, **changes)
    assert isinstance(seen, Refused), seen
    return seen


def remedies(seen: Refused) -> list[str]:
    return [one.kind.value for one in seen.remedies]


def held(life: Life, vm: Vm) -> set[int]:
    with life.seed.database.transaction() as tx:
        return set(tx.scalars(select(Claim.gpu_id).where(Claim.vm_id == vm.id, Claim.released_at.is_(None))))


def test_what_it_would_be_and_cost(life: Life) -> None:
    seen = accepted(life, gpu_count=2, rental_type="reserved", reservation_months=3)
    assert (seen.admitted.cpu_cores, seen.admitted.ram_gb) == (16, 128)
    assert (float(seen.admitted.price.gpu_hourly), float(seen.admitted.price.discount_percent)) == (0.9, 10)
    assert seen.admitted.deposit is not None
    assert (len(seen.cards), seen.place, seen.displaced) == (2, None, None)
    assert seen.start.seconds is None


def test_the_estimate_comes_from_what_was_done(life: Life) -> None:
    life.running()
    start = accepted(life).start
    assert start.seconds is not None
    assert start.basis.endswith("(medians of the last 1 of kind create, vm01)")


def test_whom_it_would_displace(life: Life) -> None:
    own = life.running(gpu_count=4, rental_type="interruptible")
    life.running(gpu_count=2)
    seen = accepted(life, gpu_count=4)
    assert len(seen.cards) == 2
    assert seen.place == 1
    assert seen.displaced is not None
    assert (seen.displaced.vms, seen.displaced.gpus, seen.displaced.own) == (1, 4, (own.id,))


def test_gpus_that_are_on_their_way_displace_nobody(life: Life) -> None:
    going = life.running(gpu_count=8)
    ask(life.seed.database, life.seed.user_id, going.id, Asked.STOP)
    seen = accepted(life, gpu_count=4)
    assert seen.displaced is not None
    assert (seen.displaced.vms, seen.displaced.own, seen.place) == (0, (), 1)


def test_a_refusal_names_what_would_be_admitted(life: Life) -> None:
    own = life.running(gpu_count=8)
    seen = refused(life, gpu_count=8)
    assert seen.refusal.code == "insufficient_capacity"
    assert remedies(seen) == ["node", "own_vm"]
    assert (seen.remedies[0].node, seen.remedies[1].vm_id) == ("vm02", own.id)


def test_fewer_gpus_or_another_rental_type(life: Life) -> None:
    life.running(gpu_count=4, rental_type="interruptible")
    life.running(gpu_count=2)
    with life.seed.database.transaction() as tx:
        tx.execute(update(Node).where(Node.id == "vm02").values(state="draining"))
    seen = refused(life, gpu_count=4, rental_type="interruptible")
    assert remedies(seen) == ["rental_type", "gpu_count", "own_vm"]
    assert (seen.remedies[0].rental_type, seen.remedies[1].gpu_count) == ("on_demand", 2)


def test_waiting_would_do_where_gpus_come_free(life: Life) -> None:
    for vm in [life.running(gpu_count=8, rental_type="interruptible") for _ in range(1)]:
        ask(life.seed.database, life.seed.user_id, vm.id, Asked.STOP)
        life.finish(vm)
    going = life.running(gpu_count=8, rental_type="interruptible")
    life.vm(gpu_count=4)
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    interrupted = life.running(node="vm02", gpu_count=8, rental_type="interruptible")
    waiter = life.vm(node="vm02", gpu_count=8)
    reclaim_on(life.seed.database, SETTINGS, "vm02")
    life.shift_notices()
    life.finish(interrupted)
    life.finish(waiter)
    with life.seed.database.transaction() as tx:
        later = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, 60)
        tx.execute(update(Interruption).where(Interruption.vm_id == going.id).values(notice_until=later))
    seen = refused(life, gpu_count=4, rental_type="interruptible")
    waits = [one.seconds for one in seen.remedies if one.kind == "wait"]
    assert waits in ([59], [60])


def test_a_refusal_of_the_account_is_told_like_any_other(life: Life) -> None:
    with life.seed.database.transaction() as tx:
        tx.execute(update(User).values(max_hourly_spend=1))
    seen = refused(life, gpu_count=4)
    assert (seen.refusal.code, seen.refusal.status) == ("quota_exceeded", 403)
    assert remedies(seen) == ["gpu_count"]
    assert seen.remedies[0].gpu_count == 1


def test_a_node_that_is_drained_and_a_template_that_is_not_there(life: Life) -> None:
    with life.seed.database.transaction() as tx:
        tx.execute(update(Node).where(Node.id == "vm01").values(state="draining"))
    assert remedies(refused(life)) == ["node"]
    seen = refused(life, node="vm02", template_vmid=7)
    assert isinstance(seen.refusal, InvalidRequest)
    assert (seen.refusal.field, seen.remedies) == ("template_vmid", ())


def test_without_a_catalog_nothing_can_be_said(life: Life) -> None:
    with life.seed.database.transaction() as tx:
        tx.delete(tx.get_one(PriceList, 1))
    with pytest.raises(NotReady):
        look(life)


@pytest.mark.parametrize("lacks", ["address", "vmid"])
def test_addresses_and_numbers_run_out(database: Database, lacks: str) -> None:
    life = Life(seed_catalog(database, static=True))
    with database.transaction() as tx:
        if lacks == "address":
            tx.execute(update(Address).where(Address.node_id == "vm01").values(retired_at=func.now()))
        else:
            tx.execute(update(Cluster).values(vmid_next=Cluster.vmid_last + 1))
    seen = refused(life)
    with pytest.raises(type(seen.refusal)) as refusal:
        life.vm()
    assert refusal.value.detail == seen.refusal.detail
    assert ("node" in remedies(seen)) is (lacks == "address")


REQUESTS = [
    {"gpu_count": count, "node": node, **kind}
    for count in (1, 2, 4, 8)
    for node in ("vm01", "vm02")
    for kind in (
        {"rental_type": "on_demand"},
        {"rental_type": "interruptible"},
        {"rental_type": "reserved", "reservation_months": 1},
    )
]


@pytest.mark.parametrize("salt", range(4))
@pytest.mark.parametrize("headroom", [0, 0.2])
def test_the_submission_that_follows_comes_to_the_same(life: Life, salt: int, headroom: float) -> None:
    """Also behind others in line, with GPUs in quarantine, while VMs come and go."""
    chance = random.Random(salt)
    settings = SETTINGS.model_copy(update={"headroom": headroom, "headroom_most": headroom})
    intake = Intake(life.seed.database, settings)
    outcomes = set()
    for _ in range(14):
        request = VmRequest(**life.seed.body(**chance.choice(REQUESTS)))
        with life.seed.database.snapshot() as tx:
            seen = preview(tx, life.seed.user_id, request, settings)
        if isinstance(seen, Refused):
            with pytest.raises(RequestRefused) as refusal:
                intake.submit(life.seed.user_id, request)
            assert (refusal.value.code, refusal.value.detail) == (seen.refusal.code, seen.refusal.detail)
            outcomes.add("refused")
        else:
            vm = intake.submit(life.seed.user_id, request).vm
            assert held(life, vm) == {card.id for card in seen.cards}
            assert (seen.place is None) is (len(seen.cards) == request.gpu_count)
            outcomes.add("at once" if seen.place is None else "waits")
            if seen.displaced is not None:
                reclaim_on(life.seed.database, settings, request.node)
                displaced = {one.vm_id for one in life.interruptions() if one.displaced_by == vm.id}
                assert displaced == set(seen.displaced.own)
        something_else_happens(life, chance)
    assert outcomes >= {"at once", "refused"}


def something_else_happens(life: Life, chance: random.Random) -> None:
    with life.seed.database.transaction() as tx:
        over = func.clock_timestamp()
        tx.execute(update(Interruption).where(Interruption.state == "announced").values(notice_until=over))
        missing = (
            Vm.gpu_count
            - select(func.count()).where(Claim.vm_id == Vm.id, Claim.released_at.is_(None)).scalar_subquery()
        )
        due = tx.execute(
            select(Vm, missing <= 0, Operation.kind)
            .join(Operation, Operation.vm_id == Vm.id)
            .where(Operation.finished_at.is_(None))
        ).all()
        running = tx.scalars(select(Vm).where(Vm.status == "running")).all()
    for vm, complete, kind in due:
        if chance.random() < 0.4 and (complete or kind != "create"):
            life.finish(vm)
    if running and chance.random() < 0.4:
        vm = chance.choice(running)
        if life.live(vm) is None:
            ask(life.seed.database, life.seed.user_id, vm.id, chance.choice([Asked.STOP, Asked.DESTROY]))
    if chance.random() < 0.1:
        with life.seed.database.transaction() as tx:
            tx.execute(
                update(Gpu)
                .where(Gpu.mapping == f"gpu-vm01-{chance.randrange(8)}", Gpu.health == "ok")
                .values(
                    health="quarantined",
                    quarantine_cause="start",
                    quarantine_reason="test",
                    quarantined_at=func.now(),
                )
            )


def test_postgresql_refuses_every_change_in_it(life: Life) -> None:
    with pytest.raises(InternalError), life.seed.database.snapshot() as tx:
        tx.execute(update(Cluster).values(vmid_next=Cluster.vmid_next + 1))
