"""Stop, start, restart: a VM gives up its GPUs and comes back with others; its disk is never lost."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from orchestrator.catalog.models import Address, Gpu, Node
from orchestrator.errors import StateConflict
from orchestrator.gpus.models import Claim
from orchestrator.intake.lifecycle import Asked
from orchestrator.vms import operations
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.pipelines import PIPELINES, Kind, Step
from simulator.schema.properties import parse_pairs
from tests.workers.steps.bench import Bench
from workers.proxmox import Gateway
from workers.steps import probe

VMID = 100_000
START, STOP, RESTART = Asked.START, Asked.STOP, Asked.RESTART


def running(bench: Bench, **wanted: Any) -> UUID:
    vm_id = bench.vm(**wanted)
    assert bench.settle(vm_id) == "running", bench.told(vm_id)
    return vm_id


def stopped(bench: Bench, **wanted: Any) -> UUID:
    vm_id = running(bench, **wanted)
    bench.ask(vm_id, STOP)
    assert bench.settle(vm_id) == "stopped", bench.told(vm_id)
    return vm_id


def pve(bench: Bench, vmid: int = VMID) -> Any:
    vm = bench.simulator.vm(vmid)
    assert vm is not None, "its disk is lost"
    return vm


def cards(bench: Bench, vmid: int = VMID) -> dict[str, str]:
    """Mapping in each slot of the configuration."""
    config = pve(bench, vmid).config
    return {
        key: parse_pairs(value, "host")["mapping"]
        for key, value in config.items()
        if key.startswith("hostpci")
    }


def ended_because(bench: Bench, vm_id: UUID) -> list[str]:
    with bench.database.transaction() as tx:
        ended = select(Claim.released_because).where(Claim.vm_id == vm_id, Claim.released_at.is_not(None))
        return [str(reason) for reason in tx.scalars(ended)]


def tasks(bench: Bench, kind: str) -> int:
    return [task.upid.type for task in bench.simulator.tasks()].count(kind)


def test_a_whole_life(bench: Bench) -> None:
    vm_id = running(bench, gpu_count=2)
    disk, fingerprint = pve(bench).config["scsi0"], bench.row(vm_id).ssh_host_key_fingerprint
    assert cards(bench) == {"hostpci0": "gpu-vm01-0", "hostpci1": "gpu-vm01-1"}

    bench.ask(vm_id, STOP)
    assert bench.settle(vm_id) == "stopped"
    row = bench.row(vm_id)
    assert pve(bench).running is None
    assert bench.claims(vm_id) == 0
    assert set(ended_because(bench, vm_id)) == {"the VM was stopped, as the hypervisor confirmed"}
    assert (row.ip_address, row.ssh_host_key_fingerprint) == (None, fingerprint)
    assert row.stopped_at is not None

    other = running(bench)  # takes one of its cards
    bench.ask(vm_id, START)
    assert bench.settle(vm_id) == "running"
    assert "gpu-vm01-0" not in cards(bench).values() or "gpu-vm01-1" not in cards(bench).values()
    assert not set(cards(bench).values()) & set(cards(bench, bench.row(other).vmid).values())
    assert bench.claims(vm_id) == 2
    assert (pve(bench).config["scsi0"], bench.row(vm_id).ssh_host_key_fingerprint) == (disk, fingerprint)
    assert str(bench.row(vm_id).ip_address).startswith("127.")

    held, pid = cards(bench), pve(bench).running.pid
    bench.ask(vm_id, RESTART)
    assert bench.settle(vm_id) == "running"
    assert cards(bench) == held, "a restart keeps its GPUs"
    assert pve(bench).running.pid != pid
    assert bench.claims(vm_id) == 2

    bench.destroy(vm_id)
    assert bench.settle(vm_id) == "destroyed"
    assert bench.leftovers(VMID) == []
    assert bench.claims(vm_id) == 0
    assert [task.exitstatus for task in bench.simulator.tasks() if task.exitstatus != "OK"] == []


def test_a_vm_that_starts_with_fewer_slots_names_no_old_card(bench: Bench) -> None:
    vm_id = stopped(bench, gpu_count=2)
    bench.edit(VMID, hostpci5="mapping=gpu-vm01-5", hostpci0="mapping=gpu-vm01-7")
    bench.ask(vm_id, START)
    assert bench.settle(vm_id) == "running"
    assert cards(bench) == {"hostpci0": "gpu-vm01-0", "hostpci1": "gpu-vm01-1"}


def test_a_disk_that_was_grown_by_hand_is_not_shrunk(bench: Bench) -> None:
    vm_id = stopped(bench, storage_gb=60)
    bench.gateways.of("sim").resize("vm01", VMID, "scsi0", 90)
    bench.ask(vm_id, START)
    assert bench.settle(vm_id) == "running"
    assert parse_pairs(pve(bench).config["scsi0"], "file")["size"] == "90G"
    assert tasks(bench, "resize") == 2


def test_a_reserved_vm_keeps_its_gpus_while_it_is_stopped(bench: Bench) -> None:
    vm_id = stopped(bench, gpu_count=2, rental_type="reserved", reservation_months=1)
    assert bench.claims(vm_id) == 2
    assert ended_because(bench, vm_id) == []
    held = cards(bench)
    assert bench.settle(bench.vm(gpu_count=4)) == "running"
    bench.ask(vm_id, START)
    assert bench.settle(vm_id) == "running"
    assert cards(bench) == held
    bench.destroy(vm_id)
    assert bench.settle(vm_id) == "destroyed"
    assert bench.claims(vm_id) == 0


def test_after_its_term_it_gives_them_up(bench: Bench) -> None:
    vm_id = running(bench, rental_type="reserved", reservation_months=1)
    bench.ask(vm_id, STOP)
    bench.until(vm_id, Step.RELEASE)
    with bench.database.transaction() as tx:
        tx.execute(update(Vm).values(rental_type="on_demand", reservation_months=None))
    assert bench.settle(vm_id) == "stopped"
    assert bench.claims(vm_id) == 0


@pytest.mark.parametrize("kind", [Kind.STOP, Kind.INTERRUPT])
def test_a_static_address_stays_with_the_vm(bench: Bench, kind: Kind) -> None:
    with bench.database.transaction() as tx:
        here = update(Node).where(Node.id == "vm01")
        tx.execute(here.values(address_mode="static", prefix_length=10, gateway="127.64.0.1"))
        tx.add(Address(node_id="vm01", address="127.66.0.10"))
    vm_id = running(bench)
    begin(bench, vm_id, kind, Step.SHUTDOWN)
    assert bench.settle(vm_id) == PIPELINES[kind].ends_in
    with bench.database.transaction() as tx:
        assert tx.scalars(select(Address.vm_id)).one() == vm_id
    assert bench.row(vm_id).ip_address == "127.66.0.10"
    bench.ask(vm_id, START)
    assert bench.settle(vm_id) == "running"
    assert bench.row(vm_id).ip_address == "127.66.0.10"


def begin(bench: Bench, vm_id: UUID, kind: Kind, step: Step | None = None) -> None:
    """What the scheduler begins."""
    with bench.database.transaction() as tx:
        operations.begin(tx, tx.get_one(Vm, vm_id), kind, actor="innkeeper", step=step)


def test_an_interrupted_vm_gives_everything_up_but_its_disk(bench: Bench) -> None:
    vm_id = running(bench, rental_type="interruptible")
    begin(bench, vm_id, Kind.INTERRUPT, Step.SHUTDOWN)
    assert bench.settle(vm_id) == "interrupted"
    assert ended_because(bench, vm_id) == ["the VM was interrupted; the hypervisor confirmed that it is off"]
    assert (bench.claims(vm_id), bench.row(vm_id).ip_address) == (0, None)
    bench.ask(vm_id, START)
    assert bench.settle(vm_id) == "running"


class TestAStartThatFails:
    """The VM is stopped again, its disk is kept, and its owner is told why."""

    def check(self, bench: Bench, vm_id: UUID, reason: str) -> None:
        assert bench.settle(vm_id) == "stopped", bench.told(vm_id)
        assert reason in (bench.row(vm_id).failure_reason or "")
        assert bench.claims(vm_id) == 0
        assert pve(bench).running is None

    @pytest.mark.parametrize("asked", [START, RESTART])
    def test_qemu_does_not_come_up(self, bench: Bench, asked: Asked) -> None:
        vm_id = stopped(bench) if asked is START else running(bench)
        bench.fault("qemu_exit", times=None, detail="kvm: no such option")
        bench.ask(vm_id, asked)
        self.check(bench, vm_id, "QEMU exited with code 1")
        bench.simulator.faults.clear()
        bench.ask(vm_id, START)
        assert bench.settle(vm_id) == "running"
        assert bench.row(vm_id).failure_reason is None, "that start was a success"

    def test_a_bad_card_is_not_used_at_the_next_start(self, bench: Bench) -> None:
        vm_id = stopped(bench)
        bench.simulator.set_gpu("vm01", "0000:01:00", missing=True)
        bench.ask(vm_id, START)
        self.check(bench, vm_id, "0000:01:00.0")
        bench.ask(vm_id, START)
        assert bench.settle(vm_id) == "running"
        assert cards(bench) == {"hostpci0": "gpu-vm01-1"}

    @pytest.mark.parametrize("asked", [START, RESTART])
    def test_the_guest_powers_itself_off(self, bench: Bench, asked: Asked) -> None:
        vm_id = stopped(bench) if asked is START else running(bench)
        bench.ask(vm_id, asked)
        bench.until(vm_id, Step.PROBE)
        bench.simulator.guest_poweroff(VMID)
        self.check(bench, vm_id, "switched itself off")

    def test_ssh_never_answers(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        vm_id = stopped(bench)
        monkeypatch.setattr(probe, "DEADLINE_SECONDS", 0.2)
        bench.fault("ssh_never", times=None)
        bench.ask(vm_id, START)
        self.check(bench, vm_id, "waiting for SSH took longer than")

    def test_the_vm_is_locked_by_a_backup_for_long(self, bench: Bench) -> None:
        vm_id = stopped(bench)
        bench.simulator.lock_vm(VMID, "backup")
        bench.ask(vm_id, START)
        self.check(bench, vm_id, "is locked (backup)")

    def test_the_vm_was_moved_to_another_node(self, bench: Bench) -> None:
        vm_id = stopped(bench)
        bench.simulator.move_vm(VMID, "vm02")
        bench.ask(vm_id, START)
        self.check(bench, vm_id, "was moved to node vm02: an operator has to move it back to vm01")
        with bench.database.transaction() as tx:
            assert tx.scalars(select(Gpu.mapping).where(Gpu.health != "ok")).all() == [], "no card is blamed"

    def test_its_disk_was_taken_away(self, bench: Bench) -> None:
        vm_id = stopped(bench)
        bench.edit(VMID, scsi0=None)
        bench.ask(vm_id, START)
        self.check(bench, vm_id, "has lost its disk scsi0")

    def test_it_was_deleted_behind_our_back(self, bench: Bench) -> None:
        vm_id = stopped(bench)
        bench.remove(VMID)
        bench.ask(vm_id, START)
        assert bench.settle(vm_id) == "stopped"
        assert "is gone from cluster sim with its disk" in (bench.row(vm_id).failure_reason or "")
        bench.destroy(vm_id)
        assert bench.settle(vm_id) == "destroyed"

    def test_it_was_deleted_while_it_restarts(self, bench: Bench) -> None:
        vm_id = running(bench)
        bench.ask(vm_id, RESTART)
        bench.until(vm_id, Step.BOOT)
        bench.remove(VMID)
        assert bench.settle(vm_id) == "stopped"
        assert "is gone from cluster sim with its disk" in (bench.row(vm_id).failure_reason or "")

    def test_a_restore_that_fails_is_interrupted_again(self, bench: Bench) -> None:
        vm_id = running(bench, rental_type="interruptible")
        begin(bench, vm_id, Kind.INTERRUPT, Step.SHUTDOWN)
        bench.settle(vm_id)
        bench.fault("qemu_exit", times=None)
        begin(bench, vm_id, Kind.RESTORE)
        assert bench.settle(vm_id) == "interrupted"
        assert "QEMU exited" in (bench.row(vm_id).failure_reason or "")
        assert (bench.claims(vm_id), pve(bench).running) == (0, None)


class TestBehindOurBack:
    def test_somebody_started_it_while_it_was_stopped(self, bench: Bench) -> None:
        """It runs with a card that may be another's by now: it is switched off and configured anew."""
        vm_id = stopped(bench)
        bench.edit(VMID, hostpci0="mapping=gpu-vm01-6")
        bench.start(VMID)
        bench.ask(vm_id, START)
        assert bench.settle(vm_id) == "running"
        assert cards(bench) == {"hostpci0": "gpu-vm01-0"}
        assert {device.split(".")[0] for device in pve(bench).running.devices} == {"0000:01:00"}
        assert tasks(bench, "qmshutdown") == 2

    def test_a_card_that_was_edited_while_it_ran_is_put_right_by_a_restart(self, bench: Bench) -> None:
        vm_id = running(bench)
        config = bench.gateways.of("sim")
        config.configure("vm01", VMID, {"hostpci0": "mapping=gpu-vm01-6", "hostpci1": "mapping=gpu-vm01-7"})
        bench.ask(vm_id, RESTART)
        assert bench.settle(vm_id) == "running"
        assert cards(bench) == {"hostpci0": "gpu-vm01-0"}

    def test_a_card_that_was_edited_between_configure_and_boot_is_put_right(self, bench: Bench) -> None:
        vm_id = stopped(bench)
        bench.ask(vm_id, START)
        bench.until(vm_id, Step.BOOT)
        bench.edit(VMID, hostpci0="mapping=gpu-vm01-6")
        assert bench.settle(vm_id) == "running"
        assert cards(bench) == {"hostpci0": "gpu-vm01-0"}

    def test_a_restart_waits_for_a_backup_and_leaves_the_vm_running(self, bench: Bench) -> None:
        vm_id = running(bench)
        bench.simulator.lock_vm(VMID, "backup")
        bench.ask(vm_id, RESTART)
        bench.settle(vm_id)
        operation = bench.operation(vm_id)
        assert operation is not None
        assert (operation.kind, operation.step, operation.parked_for) == ("restart", "shutdown", "operator")
        assert pve(bench).running is not None
        bench.simulator.lock_vm(VMID, None)
        bench.step(vm_id)
        assert bench.settle(vm_id) == "running"

    @pytest.mark.parametrize("asked", [STOP, RESTART])
    def test_a_vm_that_is_somebody_elses_now_is_left_running_and_keeps_its_gpus(
        self, bench: Bench, asked: Asked
    ) -> None:
        bench.see_everything()
        vm_id = running(bench)
        bench.edit(VMID, description="taken over by hand")
        before = pve(bench)
        bench.ask(vm_id, asked)
        assert bench.settle(vm_id) == "stopping"
        operation = bench.operation(vm_id)
        assert operation is not None
        assert (operation.kind, operation.step, operation.parked_for) == ("stop", "release", "operator")
        assert "they stay claimed" in (operation.last_error or "")
        assert pve(bench) == before
        assert bench.claims(vm_id) == 1

    def test_the_guest_powered_itself_off_before_a_stop(self, bench: Bench) -> None:
        vm_id = running(bench)
        bench.simulator.guest_poweroff(VMID)
        bench.ask(vm_id, STOP)
        assert bench.settle(vm_id) == "stopped"
        assert tasks(bench, "qmshutdown") == 0

    def test_a_stop_of_a_vm_that_is_gone(self, bench: Bench) -> None:
        vm_id = running(bench)
        bench.remove(VMID)
        bench.ask(vm_id, STOP)
        assert bench.settle(vm_id) == "stopped"
        assert bench.claims(vm_id) == 0

    def test_gpus_are_kept_when_somebody_starts_it_during_a_stop(self, bench: Bench) -> None:
        vm_id = running(bench)
        bench.ask(vm_id, STOP)
        bench.until(vm_id, Step.RELEASE)
        bench.start(VMID)
        bench.step(vm_id)
        assert "they stay claimed" in bench.told(vm_id)[-1]
        assert bench.claims(vm_id) == 1


def ready(bench: Bench, kind: Kind) -> UUID:
    """A VM in which an operation of that kind has just begun."""
    interruptible = {"rental_type": "interruptible"}
    match kind:
        case Kind.CREATE:
            return bench.vm()
        case Kind.START:
            vm_id = stopped(bench)
            bench.ask(vm_id, START)
        case Kind.RESTORE:
            vm_id = ready(bench, Kind.INTERRUPT)
            assert bench.settle(vm_id) == "interrupted"
            begin(bench, vm_id, kind)
        case Kind.INTERRUPT:
            vm_id = running(bench, **interruptible)
            begin(bench, vm_id, kind, Step.SHUTDOWN)
        case _:
            vm_id = running(bench)
            bench.ask(vm_id, Asked(kind))
    return vm_id


STEPS = [
    (kind, step)
    for kind in (Kind.START, Kind.STOP, Kind.RESTART, Kind.INTERRUPT, Kind.RESTORE)
    for step in PIPELINES[kind].steps
    if step is not Step.ANNOUNCE
]


@pytest.mark.parametrize(("kind", "step"), STEPS)
def test_a_destroy_overtakes_each_step(bench: Bench, kind: Kind, step: Step) -> None:
    vm_id = ready(bench, kind)
    bench.until(vm_id, step)
    bench.destroy(vm_id)
    assert bench.settle(vm_id) == "destroyed"
    assert bench.leftovers(VMID) == []
    assert bench.claims(vm_id) == 0


@pytest.mark.parametrize(
    ("kind", "step"), [pair for pair in STEPS if pair[0] in (Kind.START, Kind.RESTART, Kind.RESTORE)]
)
def test_a_stop_overtakes_each_step(bench: Bench, kind: Kind, step: Step) -> None:
    vm_id = ready(bench, kind)
    bench.until(vm_id, step)
    bench.ask(vm_id, STOP)
    assert bench.settle(vm_id) == "stopped"
    assert pve(bench).running is None
    assert bench.claims(vm_id) == 0
    assert bench.row(vm_id).failure_reason is None


def test_a_stop_waits_for_the_start_that_it_overtook(bench: Bench) -> None:
    vm_id = ready(bench, Kind.START)
    bench.until(vm_id, Step.BOOT)
    bench.fault("slow_start", seconds=100)
    bench.fault("lost_response_after", method="POST", path="/status/start$")
    bench.step(vm_id)
    bench.ask(vm_id, STOP)
    assert bench.settle(vm_id) == "stopped"
    assert pve(bench).running is None


@pytest.mark.parametrize("asked", [STOP, Asked.DESTROY])
def test_a_step_that_runs_ends_at_its_next_safe_point(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, asked: Asked
) -> None:
    vm_id = ready(bench, Kind.START)
    bench.until(vm_id, Step.BOOT)
    real = Gateway.start

    def start(*args: Any) -> str:
        upid = real(*args)
        bench.ask(vm_id, asked)
        return upid

    monkeypatch.setattr(Gateway, "start", start)
    bench.step(vm_id)
    operation = bench.operation(vm_id)
    assert operation is not None
    assert operation.kind == asked
    assert bench.settle(vm_id) == PIPELINES[Kind(asked)].ends_in


def test_what_was_overtaken_while_its_worker_died_gives_way_at_the_next_look(bench: Bench) -> None:
    vm_id = ready(bench, Kind.START)
    bench.until(vm_id, Step.BOOT)
    with bench.database.transaction() as tx:
        tx.execute(
            update(Operation)
            .where(Operation.finished_at.is_(None))
            .values(cancel_requested_by="user:1", overtaken_by="stop")
        )
    before = len(bench.simulator.requests)
    bench.step(vm_id)
    assert len(bench.simulator.requests) == before, "nothing more is done for the start"
    assert bench.settle(vm_id) == "stopped"


@pytest.mark.parametrize("asked", [STOP, Asked.DESTROY])
def test_a_start_that_waits_for_capacity_is_overtaken(bench: Bench, asked: Asked) -> None:
    vm_id = ready(bench, Kind.START)
    with bench.database.transaction() as tx:
        operation = tx.scalars(select(Operation).where(Operation.finished_at.is_(None))).one()
        operations.park(tx, operation, wanted="capacity", error="none is free", recheck_seconds=60)
    bench.ask(vm_id, asked)
    assert bench.settle(vm_id) == PIPELINES[Kind(asked)].ends_in
    assert bench.claims(vm_id) == 0


def test_a_stop_waits_for_a_node_that_does_not_answer(bench: Bench) -> None:
    vm_id = ready(bench, Kind.STOP)
    bench.simulator.node_down("vm01")
    bench.settle(vm_id)
    operation = bench.operation(vm_id)
    assert operation is not None
    assert operation.parked_for == "node"
    assert bench.claims(vm_id) == 1
    with pytest.raises(StateConflict, match="is being stopped"):
        bench.ask(vm_id, START)
    bench.simulator.node_up("vm01")
    bench.step(vm_id)
    assert bench.settle(vm_id) == "stopped"


def test_a_guest_that_ignores_the_shutdown_of_a_restart_is_switched_off(bench: Bench) -> None:
    vm_id = running(bench)
    bench.fault("ignores_shutdown", times=None)
    bench.ask(vm_id, RESTART)
    assert bench.settle(vm_id) == "running"
    assert (tasks(bench, "qmshutdown"), tasks(bench, "qmstop"), tasks(bench, "qmstart")) == (1, 1, 2)
