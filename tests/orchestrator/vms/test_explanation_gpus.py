"""Every wait explains itself (promise 7): in line for GPUs, and interrupted."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import delete, func, select, update

from orchestrator.catalog.models import Gpu
from orchestrator.gpus.models import Claim
from orchestrator.intake.asking import ask
from orchestrator.intake.lifecycle import Asked
from orchestrator.scheduler.reclaim import reclaim_on
from orchestrator.vms import operations
from orchestrator.vms.models import Interruption, Operation, Vm
from orchestrator.vms.pipelines import PIPELINES, Kind, Step
from tests.orchestrator.scheduler.life import Life
from tests.orchestrator.vms.explained import SETTINGS, Told, change, displaced, kinds, set_node
from tests.seed import Seed


class TestInLine:
    def test_the_gpus_are_being_reclaimed(self, life: Life, told: Callable[..., Told]) -> None:
        own = life.running(gpu_count=4, rental_type="interruptible")
        life.running(gpu_count=4)
        waiter = life.vm(gpu_count=4)
        reclaim_on(life.seed.database, SETTINGS, "vm01")
        seen = told(waiter)
        assert seen["reason"] == "reclaim"
        assert seen["waits_for"].startswith(
            "it waits for 4 more 5090 GPUs of node vm01, which are on their way: the last notice ends at 2"
        )
        assert (seen["place_in_line"], seen["line_length"]) == (1, 1)
        assert next((one["vm_id"], one["gpus"]) for one in seen["blocked_by"]) == (own.id, 4)
        assert seen["blocked_by"][0]["until"] is not None
        assert seen["estimate_seconds"] is None
        assert seen["estimate_basis"].startswith("a notice that ends in 1")
        assert "; then no interrupt has ended well yet" in seen["estimate_basis"]
        assert kinds(seen["would_free_it"])[:2] == ["wait", "node"]
        assert seen["would_free_it"][0]["seconds"] in (119, 120)

    def test_the_estimate_adds_notice_shutdown_and_boot(self, life: Life, told: Callable[..., Told]) -> None:
        once, waiter = displaced(life)
        ask(life.seed.database, life.seed.user_id, waiter.id, Asked.DESTROY)
        life.finish(waiter)
        ask(life.seed.database, life.seed.user_id, once.id, Asked.DESTROY)
        life.finish(once)
        life.running(gpu_count=8, rental_type="interruptible")
        second = life.vm(gpu_count=8)
        seen = told(second)  # before anybody was given notice
        assert seen["reason"] == "reclaim"
        assert seen["estimate_seconds"] == 120
        assert seen["estimate_basis"].startswith("a notice of 120 s; then shutdown 0 s, release 0 s (medians")
        reclaim_on(life.seed.database, SETTINGS, "vm01")
        seen = told(second)
        assert seen["estimate_seconds"] in (119, 120)
        assert "a notice that ends in" in seen["estimate_basis"]
        assert "clone 0 s, configure 0 s, boot 0 s, probe 0 s" in seen["estimate_basis"]
        assert kinds(seen["would_free_it"])[0] == "wait"

    def test_a_place_behind_others(self, life: Life, told: Callable[..., Told]) -> None:
        for _ in range(2):
            life.running(gpu_count=4, rental_type="interruptible")
        first, second = life.vm(gpu_count=4), life.vm(gpu_count=4)
        assert (told(first)["place_in_line"], told(first)["line_length"]) == (1, 2)
        seen = told(second)
        assert (seen["place_in_line"], seen["line_length"], seen["reason"]) == (2, 2, "reclaim")
        line = next(one for one in seen["blocked_by"] if one["kind"] == "line")
        assert (line["text"], line["vms"], line["gpus"]) == ("1 before it in line still need 4 GPUs", 1, 4)

    def test_it_waits_in_vain(self, life: Life, told: Callable[..., Told], stranger: Seed) -> None:
        victim = life.running(gpu_count=4, rental_type="interruptible")
        own = life.running(gpu_count=2)
        stranger.vm(gpu_count=2)
        waiter = life.vm(gpu_count=4)
        change(life, victim, state="open")
        with life.seed.database.transaction() as tx:
            gone = select(Claim.gpu_id).where(Claim.vm_id == victim.id).limit(3)
            tx.execute(
                update(Gpu)
                .where(Gpu.id.in_(gone))
                .values(
                    health="quarantined",
                    quarantine_cause="start",
                    quarantine_reason="no reset",
                    quarantined_at=func.now(),
                )
            )
        life.age(waiter, seconds=300)
        seen = told(waiter)
        assert seen["reason"] == "capacity"
        assert seen["waits_for"] == (
            "it waits for 4 more 5090 GPUs of node vm01, and too few are held by VMs that may be displaced: "
            "it is given up if that is still so in 25 min"
        )
        assert seen["estimate_seconds"] is None
        assert seen["estimate_basis"] == "nobody knows when the VMs that hold the GPUs give them up"
        found = {(one["kind"], one["vm_id"]): one["gpus"] for one in seen["blocked_by"]}
        assert found == {
            ("own_vm", victim.id): 1,
            ("own_vm", own.id): 2,
            ("other_vms", None): 2,
            ("quarantine", None): 3,
        }
        assert kinds(seen["would_free_it"]) == ["node"]

    def test_who_holds_only_gpus_in_quarantine_is_not_in_the_way(
        self, life: Life, told: Callable[..., Told]
    ) -> None:
        victim = life.running(gpu_count=4, rental_type="interruptible")
        waiter = life.vm(gpu_count=8)
        with life.seed.database.transaction() as tx:
            quarantine = {"health": "quarantined", "quarantine_cause": "start", "quarantine_reason": "test"}
            gone = select(Claim.gpu_id).where(Claim.vm_id == victim.id)
            tx.execute(update(Gpu).where(Gpu.id.in_(gone)).values(quarantined_at=func.now(), **quarantine))
        assert [(one["kind"], one["gpus"]) for one in told(waiter)["blocked_by"]] == [("quarantine", 4)]

    def test_fewer_gpus_or_an_own_vm_would_do(self, life: Life, told: Callable[..., Told]) -> None:
        small, large = life.running(gpu_count=2), life.running(gpu_count=4, rental_type="interruptible")
        waiter = life.vm(gpu_count=4)
        set_node(life, "vm02", state="draining")
        seen = told(waiter)
        fewer, own = seen["would_free_it"]
        assert (fewer["kind"], fewer["gpu_count"]) == ("gpu_count", 2)
        assert (own["kind"], own["vm_id"]) == ("own_vm", small.id)
        assert own["text"] == f"stop your own VM {small.id}, which holds 2"
        assert large.id not in (one["vm_id"] for one in seen["would_free_it"])

    def test_an_own_reserved_vm_has_to_be_deleted(self, life: Life, told: Callable[..., Told]) -> None:
        reserved = life.running(gpu_count=4, rental_type="reserved", reservation_months=1)
        life.running(gpu_count=4, rental_type="interruptible")
        waiter = life.vm(gpu_count=4)
        own = [one for one in told(waiter)["would_free_it"] if one["kind"] == "own_vm"]
        assert own[0]["text"] == f"delete your own VM {reserved.id}, which holds 4"

    def test_an_interruptible_vm_displaces_nobody(self, life: Life, told: Callable[..., Told]) -> None:
        other = life.running(gpu_count=8, rental_type="on_demand")
        vm = life.vm(gpu_count=8, rental_type="interruptible", node="vm02")
        with life.seed.database.transaction() as tx:
            tx.execute(
                update(Claim)
                .where(Claim.vm_id == vm.id)
                .values(released_at=func.now(), released_because="test")
            )
            tx.execute(
                update(Gpu)
                .where(Gpu.node_id == "vm02", Gpu.mapping != "gpu-vm02-0")
                .values(retired_at=func.now())
            )
        seen = told(vm)
        assert (seen["reason"], seen["place_in_line"]) == ("capacity", 1)
        assert seen["waits_for"] == (
            "it waits for 8 more 5090 GPUs of node vm02, and nobody is known to give them up"
        )
        assert other.id not in (one["vm_id"] for one in seen["blocked_by"])

    def test_gpus_that_come_free_by_themselves(self, life: Life, told: Callable[..., Told]) -> None:
        """Of a VM that is overtaken by a destroy, and of one whose end waits for its node: nobody knows."""
        going = life.running(gpu_count=4)
        stuck = life.running(gpu_count=4)
        ask(life.seed.database, life.seed.user_id, going.id, Asked.STOP)
        waiter = life.vm(gpu_count=4)
        assert told(waiter)["reason"] == "reclaim"
        with life.seed.database.transaction() as tx:
            operations.take(tx, life.operation(going).id, Step.SHUTDOWN, owner="w", seconds=60)
        ask(life.seed.database, life.seed.user_id, going.id, Asked.DESTROY)
        assert "no destroy has ended" in told(waiter)["estimate_basis"]
        change(life, going, lease_token=None, lease_expires_at=None, state="parked", parked_for="node")
        change(life, going, cancel_requested_by=None, overtaken_by=None)
        seen = told(waiter)
        assert (seen["reason"], seen["estimate_seconds"]) == ("reclaim", None)
        assert "nobody knows" in seen["estimate_basis"]
        gives_up = next(one for one in seen["blocked_by"] if one["vm_id"] == going.id)
        assert "gives up 4 GPUs" in gives_up["text"]
        assert stuck.id in (one["vm_id"] for one in seen["blocked_by"])

    def test_gpus_whose_holder_has_no_operation_yet(self, life: Life, told: Callable[..., Told]) -> None:
        """It has its GPUs and lacks an address."""
        vm = life.vm()
        change(life, vm, state="parked", parked_for="capacity", last_error="Node vm01 has no free address.")
        seen = told(vm)
        assert seen["reason"] == "capacity"
        assert seen["waits_for"] == (
            "reserve waits for what node vm01 is short of: Node vm01 has no free address."
        )
        assert kinds(seen["would_free_it"]) == ["operator"]
        assert seen["place_in_line"] is None


class TestInterrupted:
    def test_it_cools_down(self, life: Life, told: Callable[..., Told]) -> None:
        victim, waiter = displaced(life)
        seen = told(victim)
        assert seen["reason"] == "cool_down"
        assert seen["waits_for"].startswith("it was interrupted, and comes back at 2")
        assert seen["estimate_seconds"] is None
        assert seen["estimate_basis"].endswith(", and then there must be room")
        assert kinds(seen["blocked_by"]) == ["own_vm"]
        assert (seen["place_in_line"], seen["line_length"]) == (1, 1)
        assert "wait" not in kinds(seen["would_free_it"])
        ask(life.seed.database, life.seed.user_id, waiter.id, Asked.STOP)
        life.finish(waiter)
        seen = told(victim)
        assert kinds(seen["would_free_it"])[0] == "wait"
        assert "start" in kinds(seen["would_free_it"])
        assert 290 < seen["would_free_it"][0]["seconds"] <= 300

    def test_the_estimate_of_a_cool_down(self, life: Life, told: Callable[..., Told]) -> None:
        victim, waiter = displaced(life)
        ask(life.seed.database, life.seed.user_id, waiter.id, Asked.STOP)
        life.finish(waiter)
        with life.seed.database.transaction() as tx:  # a restore somewhere else, from which to learn
            vm = tx.get_one(Vm, life.running(node="vm02").id)
            began = func.clock_timestamp() - timedelta(seconds=40)
            done = Operation(
                vm_id=vm.id,
                node_id="vm02",
                kind="restore",
                step="probe",
                state="done",
                actor="t",
                created_at=began,
                finished_at=func.clock_timestamp(),
            )
            tx.add(done)
            tx.flush()
            for step in PIPELINES[Kind.RESTORE].steps:
                done.step = step.value
                operations._tell(tx, done, f"{step} done")
        seen = told(victim)
        assert 290 < (seen["estimate_seconds"] or 0) <= 301, seen["estimate_basis"]
        assert "(medians of the last 1 of kind restore, all nodes)" in seen["estimate_basis"]

    def test_there_is_no_room(self, life: Life, told: Callable[..., Told]) -> None:
        victim, waiter = displaced(life)
        life.past(victim, seconds=301)
        seen = told(victim)
        assert seen["reason"] == "capacity"
        assert seen["waits_for"] == "it waits for 8 5090 GPUs of node vm01 that nobody who pays waits for"
        assert seen["blocked_by"][0]["vm_id"] == waiter.id
        assert kinds(seen["would_free_it"]) == ["node", "own_vm"]
        assert seen["since"] is not None

    def test_headroom_is_kept(self, life: Life, told: Callable[..., Told]) -> None:
        victim, waiter = displaced(life)
        ask(life.seed.database, life.seed.user_id, waiter.id, Asked.STOP)
        life.finish(waiter)
        life.past(victim, seconds=301)
        seen = told(victim, headroom=0.9, headroom_most=0.9, longest_wait_seconds=1000)
        assert seen["reason"] == "headroom"
        assert seen["waits_for"].startswith(
            "5090 GPUs are kept free for requests that may not wait; it is let"
        )
        assert seen["would_free_it"][0]["kind"] == "wait"
        assert 600 < seen["would_free_it"][0]["seconds"] < 700
        assert "start" in kinds(seen["would_free_it"])

    def test_the_scheduler_is_about_to_look(self, life: Life, told: Callable[..., Told]) -> None:
        victim, waiter = displaced(life)
        ask(life.seed.database, life.seed.user_id, waiter.id, Asked.STOP)
        life.finish(waiter)
        life.past(victim, seconds=301)
        seen = told(victim)
        assert (seen["reason"], seen["waits_for"]) == (
            "scheduler",
            "it comes back with the scheduler's next look",
        )

    def test_its_node_is_drained(self, life: Life, told: Callable[..., Told]) -> None:
        victim, _ = displaced(life)
        set_node(life, "vm01", state="draining")
        seen = told(victim)
        assert (seen["reason"], seen["estimate_seconds"]) == ("node_draining", None)
        assert seen["would_free_it"][-1]["text"] == "an operator ends the drain: innkeeper node undrain vm01"

    def test_its_owner_does_not_want_it_back(self, life: Life, told: Callable[..., Told]) -> None:
        victim, _ = displaced(life)
        other = life.running(node="vm02", gpu_count=8, rental_type="interruptible")
        with life.seed.database.transaction() as tx:
            tx.get_one(Vm, victim.id).auto_restart = False
            tx.get_one(Vm, victim.id).failure_reason = "no boot"
        seen = told(victim)
        assert (seen["reason"], seen["last_error"]) == ("owner", "no boot")
        assert kinds(seen["would_free_it"]) == ["start", "auto_restart"]
        with life.seed.database.transaction() as tx:  # the record is lost, and somebody else is interrupted
            tx.execute(delete(Interruption))
            tx.get_one(Vm, victim.id).auto_restart = True
        seen = told(victim)
        assert (seen["reason"], kinds(seen["would_free_it"])) == ("owner", ["start"])
        life.vm(node="vm02", gpu_count=8)
        reclaim_on(life.seed.database, SETTINGS, "vm02")
        life.interrupted(other)
        assert told(victim)["reason"] == "owner"

    def test_the_order_of_return(self, life: Life, told: Callable[..., Told]) -> None:
        victims = [life.running(gpu_count=4, rental_type="interruptible") for _ in range(2)]
        waiter = life.vm(gpu_count=8)
        reclaim_on(life.seed.database, SETTINGS, "vm01")
        life.shift_notices()
        for victim in victims:
            life.finish(victim)
        life.finish(waiter)
        assert [told(vm)["place_in_line"] for vm in victims] == [1, 2]
        assert told(victims[0])["line_length"] == 2
