"""Random requests, failures, lost leases and interruptions: what was accepted last is where a VM ends, no GPU
is ever in two VMs that run, and none is held without need."""

import random
from collections.abc import Iterator, Sequence
from typing import cast
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from orchestrator.errors import InsufficientCapacity, LeaseLost, PveTransient, StateConflict
from orchestrator.gpus import claims
from orchestrator.intake.asking import ask
from orchestrator.intake.lifecycle import Asked
from orchestrator.scheduler.reclaim import reclaim
from orchestrator.settings import Settings
from orchestrator.vms import operations
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.pipelines import PIPELINES, Kind, Step
from orchestrator.vms.statuses import Status
from orchestrator.vms.transitions import move
from tests.seed import Seed
from workers import runner as running
from workers.gateways import Gateways
from workers.heartbeat import Keeper
from workers.outcomes import Done, Failed, Outcome, Parked
from workers.runner import Runner
from workers.steps.release import GIVEN_UP
from workers.steps.reserve import reserve
from workers.work import Work

SETTINGS = Settings(
    password_rounds=1000,
    lease_seconds=60,
    heartbeat_seconds=60,
    pace=0.001,
    interruption_notice_seconds=0.001,
    _env_file=None,
)
STATIONS = 600
MANY = 8
ENDS_IN = {asked: PIPELINES[Kind(asked)].ends_in for asked in Asked}
WISHES: Sequence[dict[str, object]] = (
    {"gpu_count": 1},
    {"gpu_count": 4},
    {"gpu_count": 2, "rental_type": "interruptible"},
    {"gpu_count": 2, "rental_type": "interruptible"},
    {"gpu_count": 4, "rental_type": "interruptible"},
    {"gpu_count": 2, "rental_type": "reserved", "reservation_months": 1},
)


class NoGateways:
    """There is no hypervisor, only which VM is on, with which cards."""

    change_seconds = 1.0

    def of(self, _: str) -> None:
        return None


class World:
    """A store, a runner whose steps only pretend, and what is expected of each VM."""

    def __init__(self, seed: Seed, runner: Runner, dice: random.Random) -> None:
        self.seed = seed
        self.runner = runner
        self.dice = dice
        self.trouble = True
        self.wanted: dict[UUID, Status] = {}
        self.on: dict[UUID, frozenset[str]] = {}
        self.accepted = self.refused = 0

    # What users do

    def rent(self) -> None:
        try:
            vm = self.seed.vm(**self.dice.choice(WISHES))
        except InsufficientCapacity:
            return
        self.wanted[vm.id] = Status.RUNNING

    def request(self, vm_id: UUID | None = None) -> None:
        vm_id = vm_id or self.dice.choice([*self.wanted][-MANY:])
        weights = {Asked.START: 9, Asked.STOP: 6, Asked.RESTART: 3, Asked.DESTROY: 1}
        [asked] = self.dice.choices([*weights], [*weights.values()])
        try:
            ask(self.seed.database, self.seed.user_id, vm_id, asked)
        except (StateConflict, InsufficientCapacity):
            self.refused += 1
            return
        self.accepted += 1
        self.wanted[vm_id] = ENDS_IN[asked]

    # What the scheduler does

    def make_room(self) -> None:
        reclaim(self.seed.database, SETTINGS)
        with self.seed.database.transaction() as tx:
            rows = tx.execute(
                select(Vm.id, Operation.kind)
                .join(
                    Operation, (Operation.vm_id == Vm.id) & Operation.state.in_(operations.LIVE), isouter=True
                )
                .where(Vm.status == Status.RUNNING)
            )
            for vm_id, kind in rows:
                if kind == Kind.INTERRUPT and self.wanted[vm_id] is Status.RUNNING:
                    self.wanted[vm_id] = Status.INTERRUPTED
                elif kind is None:  # the notice was called off
                    self.wanted[vm_id] = Status.RUNNING

    def restore(self) -> None:
        with self.seed.database.transaction() as tx:
            vm = tx.get_one(Vm, self.dice.choice([*self.wanted]), with_for_update=True)
            if vm.status != Status.INTERRUPTED or operations.live(tx, vm.id):
                return
            try:
                claims.claim(tx, vm)
            except InsufficientCapacity:
                return
            operations.begin(tx, vm, Kind.RESTORE, actor="innkeeper")
            self.wanted[vm.id] = Status.RUNNING

    def lose_or_find_the_node(self) -> None:
        """Of a VM with which nothing is done."""
        with self.seed.database.transaction() as tx:
            vm = tx.get_one(Vm, self.dice.choice([*self.wanted]), with_for_update=True)
            if operations.live(tx, vm.id):
                return
            if vm.status_before_offline is not None:
                move(tx, vm, Status(vm.status_before_offline), actor="innkeeper", cause="back")
            elif vm.status in (Status.RUNNING, Status.STOPPED, Status.INTERRUPTED):
                move(tx, vm, Status.OFFLINE, actor="innkeeper", cause="lost")

    def find_all_nodes(self) -> None:
        with self.seed.database.transaction() as tx:
            for vm in tx.scalars(select(Vm).where(Vm.status == Status.OFFLINE).with_for_update()):
                move(tx, vm, Status(vm.status_before_offline), actor="innkeeper", cause="back")

    # What workers do

    def work(self) -> bool:
        """Run the present step of some operation; whether there was one."""
        with self.seed.database.transaction() as tx:
            live = tx.execute(
                select(Operation.id, Operation.step)
                .where(Operation.state.in_(operations.LIVE))
                .order_by(Operation.created_at)
            ).all()
            if not live:
                return False
            operation_id, step = self.dice.choice(live)
            due = {"state": "open", "parked_for": None, "not_before": func.now()}
            tx.execute(update(Operation).where(Operation.id == operation_id).values(due))
        try:
            self.runner.run(operation_id, Step(step))
        finally:
            self.let_leases_expire()
        with self.seed.database.transaction() as tx:
            operation = tx.get_one(Operation, operation_id)
            if operation.state == "failed":
                kind, _ = PIPELINES[Kind(operation.kind)].undo or pytest.fail("it may not be given up")
                self.wanted[operation.vm_id] = PIPELINES[kind].ends_in
        return True

    def let_leases_expire(self) -> None:
        with self.seed.database.transaction() as tx:
            held = update(Operation).where(Operation.lease_token.is_not(None))
            tx.execute(held.values(lease_token=None, lease_expires_at=None))

    def step(self, work: Work) -> Outcome:
        """The body of every step."""
        job = work.job
        while self.trouble and self.dice.random() < 0.15:
            self.request(job.vm_id)  # while the worker is at it
        outcome = self._effect(work)
        match self.dice.random() if self.trouble else 1.0:
            case roll if roll < 0.03:
                raise LeaseLost("the worker was cut off after the effect")
            case roll if roll < 0.06:
                raise PveTransient("busy")
            case roll if roll < 0.09:
                return Parked("node", "down", 30)
            case roll if roll < 0.12 and _may_fail(job.operation.kind, job.operation.step):
                return Failed("it cannot be")
        return outcome

    def _effect(self, work: Work) -> Outcome:
        job = work.job
        match job.operation.step:
            case Step.RESERVE:
                return reserve(work)
            case Step.BOOT:
                cards = frozenset(job.mappings.values())
                assert len(cards) > 0, "it starts without a card"
                for other, theirs in self.on.items():
                    assert other == job.vm_id or not cards & theirs, "one GPU in two VMs"
                self.on[job.vm_id] = cards
            case Step.SHUTDOWN:
                self.on.pop(job.vm_id, None)
            case Step.RELEASE:
                assert job.vm_id not in self.on
                return Done(GIVEN_UP[job.operation.kind])
        return Done()

    # What always holds

    def check(self) -> None:
        with self.seed.database.transaction() as tx:
            live = tx.execute(
                select(Operation.vm_id, func.count().label("operations"))
                .where(Operation.state.in_(operations.LIVE))
                .group_by(Operation.vm_id)
            )
            busy = {row.vm_id: row.operations for row in live}
            for vm in tx.scalars(select(Vm).where(Vm.id.in_(self.wanted))):
                cards = set(claims.held_mappings(tx, vm).values())
                assert busy.get(vm.id, 0) <= 1
                assert self.on.get(vm.id, frozenset()) <= cards, "a running VM holds its cards"
                if vm.id not in busy and vm.status != Status.OFFLINE:
                    assert len(cards) == self.needs(vm), f"{vm.status} with {len(cards)} of {vm.gpu_count}"
                    assert (vm.id in self.on) == (vm.status == Status.RUNNING)
                if vm.status == Status.RUNNING:
                    assert len(cards) == vm.gpu_count

    def needs(self, vm: Vm) -> int:
        """GPUs that a VM holds with which nothing is done."""
        keeps = vm.status == Status.RUNNING or (vm.status == Status.STOPPED and vm.rental_type == "reserved")
        return vm.gpu_count if keeps else 0


def _may_fail(kind: Kind, step: Step) -> bool:
    return PIPELINES[kind].undo is not None and step is not Step.SHUTDOWN


@pytest.fixture
def keeper(seed: Seed) -> Iterator[Keeper]:
    keeper = Keeper(seed.database, lease_seconds=60, heartbeat_seconds=60)
    yield keeper
    keeper.close()


@pytest.mark.parametrize("number", range(3))
def test_a_random_life(seed: Seed, keeper: Keeper, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    runner = Runner(
        settings=SETTINGS,
        database=seed.database,
        gateways=cast(Gateways, NoGateways()),
        keeper=keeper,
        name="test",
    )
    world = World(seed, runner, random.Random(number))
    monkeypatch.setattr(running, "STEPS", dict.fromkeys(Step, world.step))
    for _ in range(4):
        world.rent()
    for _ in range(STATIONS):
        actions = {world.work: 20, world.request: 12, world.rent: 1, world.make_room: 3, world.restore: 2}
        actions |= {world.lose_or_find_the_node: 1}
        world.dice.choices([*actions], [*actions.values()])[0]()
        world.check()
    world.trouble = False
    world.find_all_nodes()
    while world.work():
        world.make_room()
        world.check()
    world.check()
    with seed.database.transaction() as tx:
        vms = tx.scalars(select(Vm).where(Vm.id.in_(world.wanted)))
        assert {vm.id: Status(vm.status) for vm in vms} == world.wanted
    assert world.accepted > 30
    assert world.refused > 20
