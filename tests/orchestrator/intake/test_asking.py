"""Starts, stops, restarts and destroys: each cell of the table as it is carried out."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from orchestrator.accounts.models import User
from orchestrator.catalog.models import Address, Node
from orchestrator.errors import InsufficientCapacity, NotFound, StateConflict, Unauthenticated
from orchestrator.gpus import claims
from orchestrator.gpus.models import Claim
from orchestrator.gpus.quarantine import quarantine
from orchestrator.intake.asking import ask
from orchestrator.intake.lifecycle import Answer, Asked, decide
from orchestrator.vms.models import Event, Interruption, Operation, Vm
from orchestrator.vms.pipelines import PIPELINES, Kind
from orchestrator.vms.statuses import Status, legal
from tests.seed import Seed

MakeVm = Callable[..., Vm]
Live = Callable[[Vm], tuple[str, str | None] | None]
CELLS = [
    *((status, None) for status in Status),
    (Status.CREATING, Kind.CREATE),
    (Status.CREATING, Kind.ROLL_BACK),
    (Status.STARTING, Kind.START),
    (Status.STARTING, Kind.RESTORE),
    (Status.STARTING, Kind.RESTART),
    (Status.STOPPING, Kind.RESTART),
    (Status.STOPPING, Kind.STOP),
    (Status.STOPPING, Kind.DESTROY),
    (Status.STOPPED, Kind.DESTROY),
    (Status.RUNNING, Kind.INTERRUPT),
    (Status.STOPPING, Kind.INTERRUPT),
    (Status.OFFLINE, Kind.START),
    (Status.OFFLINE, Kind.STOP),
    (Status.OFFLINE, Kind.DESTROY),
]


def status_of(seed: Seed, vm: Vm) -> str:
    with seed.database.transaction() as tx:
        return tx.scalars(select(Vm.status).where(Vm.id == vm.id)).one()


def held(seed: Seed, vm: Vm) -> int:
    with seed.database.transaction() as tx:
        return len(claims.held_mappings(tx, tx.get_one(Vm, vm.id)))


def told(seed: Seed, vm: Vm) -> list[str]:
    with seed.database.transaction() as tx:
        return list(tx.scalars(select(Event.text).where(Event.vm_id == vm.id).order_by(Event.id)))


@pytest.mark.parametrize("leased", [False, True])
@pytest.mark.parametrize(("status", "kind"), CELLS)
def test_each_cell_is_carried_out_and_a_repeat_changes_nothing(
    seed: Seed,
    make_vm: MakeVm,
    lease: Callable[[Vm], None],
    live: Live,
    status: Status,
    kind: Kind | None,
    leased: bool,
) -> None:
    for asked in Asked:
        vm = make_vm(status, kind)
        if leased:
            lease(vm)
        before = (status_of(seed, vm), live(vm))
        answer = decide(asked, status, kind)
        if answer is Answer.REFUSE:
            with pytest.raises(StateConflict, match=f"VM {vm.id} ") as refused:
                ask(seed.database, seed.user_id, vm.id, asked)
            assert refused.value.facts == {"status": status.value, "operation": kind and kind.value}
            assert (status_of(seed, vm), live(vm)) == before
            continue
        ask(seed.database, seed.user_id, vm.id, asked)
        after = (status_of(seed, vm), live(vm))
        now = kind is None or not leased
        entered = PIPELINES[Kind(asked)].enters[PIPELINES[Kind(asked)].steps[0]]
        enters = status is not Status.OFFLINE and legal(status, entered)
        follows = entered.value if enters else status.value
        match answer:
            case Answer.BEGIN:
                assert after == (follows, (asked.value, None))
            case Answer.OVERTAKE if now:
                assert after == (follows, (asked.value, None))
            case Answer.OVERTAKE:
                assert after == (status.value, (str(kind), asked.value))
            case Answer.NOTHING:
                assert after == before
            case Answer.SETTLE:
                assert after == ("stopped", None)
        rings = len(seed.bell.rung)
        assert rings == (answer is Answer.BEGIN or (answer is Answer.OVERTAKE and now))
        ask(seed.database, seed.user_id, vm.id, asked)
        assert (status_of(seed, vm), live(vm), len(seed.bell.rung)) == (*after, rings)


@pytest.mark.parametrize(("pending", "asked"), [*product([Asked.STOP, Asked.DESTROY], Asked)])
def test_what_is_to_overtake_counts_as_under_way(
    seed: Seed, make_vm: MakeVm, lease: Callable[[Vm], None], live: Live, pending: Asked, asked: Asked
) -> None:
    vm = make_vm(Status.STARTING, Kind.START)
    lease(vm)
    ask(seed.database, seed.user_id, vm.id, pending)
    assert told(seed, vm)[-1] == f"{pending} was asked for; the start ends at its next safe point"
    answer = decide(asked, Status.STARTING, Kind(pending))
    if answer is Answer.REFUSE:
        with pytest.raises(StateConflict):
            ask(seed.database, seed.user_id, vm.id, asked)
    else:
        ask(seed.database, seed.user_id, vm.id, asked)
    ends = asked if answer is Answer.OVERTAKE else pending
    assert live(vm) == ("start", ends.value), "a destroy overrides the stop, a stop never the destroy"


class TestStart:
    def test_it_claims_its_gpus_in_the_same_transaction(self, seed: Seed, make_vm: MakeVm) -> None:
        vm = make_vm(Status.STOPPED, gpu_count=4)
        assert held(seed, vm) == 0
        ask(seed.database, seed.user_id, vm.id, Asked.START)
        assert held(seed, vm) == 4

    def test_without_room_nothing_changes(self, seed: Seed, make_vm: MakeVm, live: Live) -> None:
        vm = make_vm(Status.STOPPED, gpu_count=4)
        seed.vm(gpu_count=8)
        with pytest.raises(InsufficientCapacity):
            ask(seed.database, seed.user_id, vm.id, Asked.START)
        assert (status_of(seed, vm), live(vm), held(seed, vm)) == ("stopped", None, 0)

    def test_a_paying_vm_waits_for_gpus_that_are_reclaimed(
        self, seed: Seed, make_vm: MakeVm, live: Live
    ) -> None:
        vm = make_vm(Status.STOPPED, gpu_count=4)
        make_vm(Status.RUNNING, gpu_count=8, rental_type="interruptible")
        ask(seed.database, seed.user_id, vm.id, Asked.START)
        assert (status_of(seed, vm), live(vm)) == ("starting", ("start", None))
        with seed.database.transaction() as tx:
            operation = tx.scalars(select(Operation).where(Operation.vm_id == vm.id)).one()
        assert (operation.state, operation.parked_for) == ("parked", "capacity")
        assert claims.CapacityWanted("vm01") in seed.bell.told, "the scheduler makes room at once"
        ask(seed.database, seed.user_id, vm.id, Asked.STOP)
        assert (status_of(seed, vm), live(vm)) == ("stopping", ("stop", None))

    def test_an_interruptible_vm_displaces_nobody(self, seed: Seed, make_vm: MakeVm, live: Live) -> None:
        vm = make_vm(Status.STOPPED, gpu_count=4, rental_type="interruptible")
        make_vm(Status.RUNNING, gpu_count=8, rental_type="interruptible")
        with pytest.raises(InsufficientCapacity):
            ask(seed.database, seed.user_id, vm.id, Asked.START)
        assert (status_of(seed, vm), live(vm)) == ("stopped", None)

    def test_an_interrupted_vm_is_started_by_its_owners_wish(self, seed: Seed, make_vm: MakeVm) -> None:
        vm = make_vm(Status.INTERRUPTED, rental_type="interruptible")
        ask(seed.database, seed.user_id, vm.id, Asked.START)
        assert (status_of(seed, vm), held(seed, vm)) == ("starting", 1)

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"state": "draining"}, "Node vm01 is being drained and takes no VMs now"),
            ({"retired_at": func.now()}, "Node vm01 is being drained and takes no VMs now"),
            (
                {"offline_since": func.now(), "misses": 3, "missed_since": func.now()},
                "Node vm01 does not answer and takes no VMs now",
            ),
        ],
    )
    def test_a_node_that_takes_no_work_starts_nothing(
        self, seed: Seed, make_vm: MakeVm, live: Live, change: dict[str, object], text: str
    ) -> None:
        vm = make_vm(Status.STOPPED)
        with seed.database.transaction() as tx:
            tx.execute(update(Node).where(Node.id == "vm01").values(**change))
        with pytest.raises(StateConflict, match=text):
            ask(seed.database, seed.user_id, vm.id, Asked.START)
        assert (live(vm), held(seed, vm)) == (None, 0)
        ask(seed.database, seed.user_id, vm.id, Asked.DESTROY)

    def test_a_card_that_is_offered_no_more_is_exchanged(self, seed: Seed, make_vm: MakeVm) -> None:
        vm = make_vm(Status.STOPPED, gpu_count=2)
        with seed.database.transaction() as tx:
            row = tx.get_one(Vm, vm.id)
            claims.claim(tx, row)  # as a reserved VM keeps them
            bad = claims.held_mappings(tx, row)[1]
            quarantine(tx, "vm01", bad, cause="operator", reason="test")
        ask(seed.database, seed.user_id, vm.id, Asked.START)
        with seed.database.transaction() as tx:
            cards = claims.held_mappings(tx, tx.get_one(Vm, vm.id))
            given_up = tx.scalars(select(Claim.released_because).where(Claim.released_at.is_not(None))).all()
        assert sorted(cards) == [0, 1]
        assert bad not in cards.values()
        assert "the GPU is offered no more" in given_up

    def test_it_has_its_static_address(self, seed: Seed, make_vm: MakeVm) -> None:
        vm = make_vm(Status.STOPPED)
        with seed.database.transaction() as tx:
            tx.execute(update(Node).values(address_mode="static", prefix_length=10))
            tx.add(Address(node_id="vm01", address="127.66.0.10"))
        ask(seed.database, seed.user_id, vm.id, Asked.START)
        with seed.database.transaction() as tx:
            assert tx.scalars(select(Address.vm_id)).one() == vm.id


def test_a_stop_of_an_interrupted_vm_gives_up_its_return(seed: Seed, make_vm: MakeVm) -> None:
    vm = make_vm(Status.INTERRUPTED, rental_type="interruptible")
    with seed.database.transaction() as tx:
        tx.add(
            Interruption(
                vm_id=vm.id,
                node_id=vm.node_id,
                cause="drain",
                state="interrupted",
                notice_until=func.now(),
                interrupted_at=func.now(),
            )
        )
    ask(seed.database, seed.user_id, vm.id, Asked.STOP)
    with seed.database.transaction() as tx:
        assert tx.scalars(select(Interruption.state)).one() == "cancelled"
    assert told(seed, vm)[-1] == "stopped for good: it will not be restored"


def test_a_start_that_is_parked_for_capacity_gives_way_at_once(
    seed: Seed, make_vm: MakeVm, live: Live
) -> None:
    vm = make_vm(Status.STARTING, Kind.START)
    with seed.database.transaction() as tx:
        tx.execute(update(Operation).values(state="parked", parked_for="capacity"))
    ask(seed.database, seed.user_id, vm.id, Asked.STOP)
    assert (status_of(seed, vm), live(vm)) == ("stopping", ("stop", None))


def test_somebody_elses_vm_is_not_there(seed: Seed, make_vm: MakeVm, live: Live) -> None:
    vm = make_vm(Status.RUNNING)
    for asked in Asked:
        with pytest.raises(NotFound):
            ask(seed.database, seed.user_id + 1, vm.id, asked)
        with pytest.raises(NotFound):
            ask(seed.database, seed.user_id, uuid4(), asked)
    assert live(vm) is None


def test_a_disabled_account_asks_for_nothing(seed: Seed, make_vm: MakeVm, live: Live) -> None:
    vm = make_vm(Status.RUNNING)
    with seed.database.transaction() as tx:
        tx.execute(update(User).values(disabled_at=func.now()))
    for asked in Asked:
        with pytest.raises(Unauthenticated):
            ask(seed.database, seed.user_id, vm.id, asked)
    assert live(vm) is None


@pytest.mark.parametrize(("status", "asked"), [(Status.STOPPED, Asked.START), (Status.RUNNING, Asked.STOP)])
def test_requests_at_the_same_moment_are_taken_one_by_one(
    seed: Seed, make_vm: MakeVm, live: Live, status: Status, asked: Asked
) -> None:
    vm = make_vm(status, gpu_count=2)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: ask(seed.database, seed.user_id, vm.id, asked), range(16)))
    assert [ref.kind for ref in seed.bell.rung] == [Kind(asked)]
    assert (live(vm), held(seed, vm)) == ((asked.value, None), 2)


def test_starts_that_contend_for_the_last_cards_do_not_share_them(seed: Seed, make_vm: MakeVm) -> None:
    vms = [make_vm(Status.STOPPED, gpu_count=4) for _ in range(6)]

    def start(vm: Vm) -> bool:
        try:
            ask(seed.database, seed.user_id, vm.id, Asked.START)
        except InsufficientCapacity:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(start, vms)) == 2
    assert sorted(held(seed, vm) for vm in vms) == [0, 0, 0, 0, 4, 4]
