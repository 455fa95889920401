"""What a sweep came to is carried out under the store's own rules, whatever has changed since."""

from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from orchestrator.fleet import inventory
from orchestrator.fleet.comparison import Destroy, Difference, GiveUpClaims, Lift, Quarantine, Store
from orchestrator.fleet.models import Doubt
from orchestrator.fleet.sightings import GuestSeen
from orchestrator.fleet.sweep import carry_out
from orchestrator.gpus import claims
from orchestrator.vms.models import Vm, Vmid
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import Status
from tests.orchestrator.fleet.watched import Fleet

S = Status
STOPPING = (Kind.STOP, Step.SHUTDOWN)


def act(fleet: Fleet, *decided: Difference) -> dict[str, int]:
    return dict(carry_out(fleet.seed.database, "c1", decided))


def claim(fleet: Fleet, vm_id: UUID) -> None:
    with fleet.seed.database.transaction() as tx:
        claims.claim(tx, tx.get_one(Vm, vm_id))


class TestCarryingOut:
    @pytest.mark.parametrize("status", [S.FAILED, S.DESTROYED])
    def test_what_is_left_of_an_ended_vm_is_destroyed_by_its_steps(
        self, fleet: Fleet, status: Status
    ) -> None:
        vm_id = fleet.vm(status)
        assert act(fleet, Destroy(vm_id)) == {"destroy": 1}
        assert (fleet.kind(vm_id), fleet.row(vm_id).status) == (("destroy", "shutdown"), status)
        assert fleet.told(vm_id)[-1] == "something of it is left on the hypervisor, and is removed"
        act(fleet, Destroy(vm_id))
        assert fleet.told(vm_id).count("something of it is left on the hypervisor, and is removed") == 1

    def test_a_vm_that_lives_is_never_destroyed(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        act(fleet, Destroy(vm_id))
        assert fleet.kind(vm_id) is None

    @pytest.mark.parametrize(
        ("status", "expected"),
        [(S.STOPPED, ("stop", "shutdown")), (S.INTERRUPTED, ("interrupt", "shutdown"))],
    )
    def test_claims_of_what_is_off_end_through_its_steps(
        self, fleet: Fleet, status: Status, expected: tuple[str, str]
    ) -> None:
        vm_id = fleet.vm(status, rental_type="interruptible")
        claim(fleet, vm_id)
        act(fleet, GiveUpClaims(vm_id))
        assert (fleet.kind(vm_id), fleet.row(vm_id).status, fleet.claims(vm_id)) == (expected, status, 1)

    def test_claims_of_what_runs_or_has_none_are_left_alone(self, fleet: Fleet) -> None:
        running, stopped = fleet.vm(S.RUNNING), fleet.vm(S.STOPPED)
        busy = fleet.vm(S.STOPPED, under_way=STOPPING)
        act(fleet, *(GiveUpClaims(vm_id) for vm_id in (running, stopped, busy)))
        assert [fleet.kind(vm_id) for vm_id in (running, stopped, busy)] == [None, None, ("stop", "shutdown")]

    def test_a_vm_in_other_hands_is_left_for_the_next_sweep(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.DESTROYED)
        with fleet.seed.database.transaction() as tx:
            tx.execute(select(Vm).where(Vm.id == vm_id).with_for_update(key_share=True))
            act(fleet, Destroy(vm_id))
        assert fleet.kind(vm_id) is None

    def test_cards_go_into_quarantine_and_come_back(self, fleet: Fleet) -> None:
        bad = Quarantine("vm01", "gpu-vm01-0", "mapping", "'id' differs")
        act(fleet, bad)
        assert fleet.gpu("gpu-vm01-0").quarantine_reason == "'id' differs"
        act(fleet, Lift("vm01", "gpu-vm01-0"))
        assert fleet.gpu("gpu-vm01-0").health == "ok"


class TestPlan:
    def plan(self, fleet: Fleet) -> inventory.Plan:
        with fleet.seed.database.transaction() as tx:
            return inventory.plan(tx, "c1")

    def test_it_reads_the_nodes_and_who_is_expected(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        fleet.vm(S.DESTROYED)
        plan = self.plan(fleet)
        assert (plan.first, plan.last, plan.pool) == (100_000, 199_999, "innkeeper")
        assert plan.nodes["vm01"] == ("local-zfs", tuple(f"gpu-vm01-{slot}" for slot in range(8)))
        assert plan.expected == {100_000: (f"gpu-{vm_id.hex[:12]}", "vm01")}
        assert plan.template_nodes == {"vm01", "vm02"}

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({}, False),
            ({"node": "vm02"}, True),
            ({"name": "web"}, True),
            ({"lock": "clone"}, True),
            ({"vmid": 100_500, "status": "stopped"}, True),
            ({"vmid": 555, "name": "web", "status": "stopped"}, False),
            ({"vmid": 555, "name": "web"}, True),
            ({"vmid": 555, "name": "web", "node": "elsewhere"}, False),
            ({"vmid": 555, "name": "web", "status": "stopped", "pool": "innkeeper"}, True),
            ({"vmid": 555, "name": "web", "status": "stopped", "tags": ("innkeeper",)}, True),
            ({"vmid": 555, "status": "stopped"}, True),
            ({"vmid": 9000, "name": "t", "template": True, "pool": "innkeeper"}, False),
        ],
    )
    def test_which_configurations_are_read(
        self, fleet: Fleet, changes: dict[str, object], expected: bool
    ) -> None:
        guest = fleet.guest(fleet.vm(S.RUNNING))
        seen = GuestSeen(**{**vars(guest), **changes})
        assert self.plan(fleet).needs_a_look(seen, fleet.shows(seen)) is expected

    def test_none_of_a_node_that_does_not_report(self, fleet: Fleet) -> None:
        guest = fleet.guest(fleet.vm(S.RUNNING), name="web")
        assert not self.plan(fleet).needs_a_look(guest, fleet.shows(guest, down=("vm01",)))


class TestStore:
    def load(self, fleet: Fleet, *vmids: int, markers: tuple[UUID, ...] = (), grace: float = 60) -> Store:
        with fleet.seed.database.transaction() as tx:
            return inventory.load(tx, "c1", vmids=vmids, markers=markers, grace_seconds=grace)

    def test_numbers_lead_to_their_vms(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.DESTROYED)
        fleet.age(vm_id, 61)
        store = self.load(fleet, 100_000, 100_001)
        assert store.numbers.keys() == {100_000}
        record = store.records[vm_id]
        assert (record.vmid, record.node, record.status, record.quiet) == (100_000, "vm01", S.DESTROYED, True)
        assert len(store.cards) == 16

    def test_markers_too(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        assert vm_id in self.load(fleet, markers=(vm_id, UUID(int=7))).records

    def test_who_has_just_changed_or_is_at_work_is_not_quiet(self, fleet: Fleet) -> None:
        fresh, busy = fleet.vm(S.RUNNING), fleet.vm(S.RUNNING, under_way=STOPPING)
        fleet.age(busy, 61)
        records = self.load(fleet, markers=(fresh, busy)).records
        assert [records[vm_id].quiet for vm_id in (fresh, busy)] == [False, False]

    def test_a_number_counts_as_given_up_after_a_while(self, fleet: Fleet) -> None:
        fleet.vm(S.RUNNING)
        for ago, expected in ((10, False), (61, True)):
            with fleet.seed.database.transaction() as tx:
                given_up = func.now() - func.make_interval(0, 0, 0, 0, 0, 0, ago)
                tx.execute(update(Vmid).values(given_up_at=given_up, given_up_because="test"))
            assert self.load(fleet, 100_000).numbers[100_000].given_up is expected

    def test_who_holds_gpus_though_it_is_off(self, fleet: Fleet) -> None:
        stopped, running = fleet.vm(S.STOPPED), fleet.vm(S.RUNNING)
        assert self.load(fleet).records == {}
        claim(fleet, stopped)
        records = self.load(fleet).records
        assert running not in records
        assert records[stopped].claims == 1

    def test_who_has_not_been_listed_for_a_while(self, fleet: Fleet) -> None:
        vm_id = fleet.vm(S.RUNNING)
        for _ in range(2):
            fleet.look(fleet.shows())
        assert not self.load(fleet).records[vm_id].missing
        with fleet.seed.database.transaction() as tx:
            tx.execute(update(Doubt).values(since=func.now() - func.make_interval(0, 0, 0, 0, 0, 2)))
        assert self.load(fleet).records[vm_id].missing
