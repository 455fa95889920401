"""Boot and probe: believed only when PVE shows it and SSH answers."""

import pytest
from sqlalchemy import select

from orchestrator.catalog.models import Gpu
from orchestrator.vms.pipelines import Step
from tests.seed import PASSWORD
from tests.workers.steps.bench import Bench
from workers.steps import boot, probe

FIRST_CARD = "0000:01:00"


def quarantined(bench: Bench) -> list[str]:
    with bench.database.transaction() as tx:
        return list(tx.scalars(select(Gpu.mapping).where(Gpu.health == "quarantined").order_by(Gpu.id)))


@pytest.mark.parametrize(
    ("ram_gb", "nics", "seconds"), [(8, 1, 125), (30, 1, 125), (128, 1, 517), (512, 2, 2058)]
)
def test_the_start_timeout_is_pves_own(ram_gb: int, nics: int, seconds: int) -> None:
    assert boot.start_timeout(ram_gb, nics=nics) == seconds


@pytest.mark.parametrize("fault", ["lost_response_after", "proxy_timeout_after", "lost_response_before"])
def test_a_lost_answer_starts_it_once(bench: Bench, fault: str) -> None:
    bench.fault(fault, method="POST", path="/status/start$")
    assert bench.settle(bench.vm()) == "running"
    good = [t for t in bench.simulator.tasks() if t.upid.type == "qmstart" and t.exitstatus == "OK"]
    assert len(good) == 1


def test_a_missing_card_is_quarantined_and_not_offered_again(bench: Bench) -> None:
    bench.simulator.set_gpu("vm01", FIRST_CARD, missing=True)
    vm_id = bench.vm()
    assert bench.settle(vm_id) == "failed"
    assert "0000:01:00.0" in (bench.row(vm_id).failure_reason or "")
    assert quarantined(bench) == ["gpu-vm01-0"]
    assert bench.settle(bench.vm()) == "running"


def test_of_several_cards_the_bad_one_is_quarantined(bench: Bench) -> None:
    bench.simulator.set_gpu("vm01", FIRST_CARD, missing=True)
    bench.settle(bench.vm(gpu_count=4))
    assert quarantined(bench) == ["gpu-vm01-0"]


def test_a_card_that_another_vm_uses_is_named(bench: Bench) -> None:
    bench.simulator.make_foreign_vm("vm01", 500, running=True, gpus=["gpu-vm01-0"])
    vm_id = bench.vm()
    assert bench.settle(vm_id) == "failed"
    assert "already in use by VMID '500'" in (bench.row(vm_id).failure_reason or "")
    assert quarantined(bench) == ["gpu-vm01-0"]
    assert bench.simulator.vm(500) is not None


def test_a_start_that_fails_for_another_reason_blames_no_card(bench: Bench) -> None:
    bench.fault("qemu_exit", times=None, detail="kvm: no such option")
    vm_id = bench.vm()
    assert bench.settle(vm_id) == "failed"
    assert "QEMU exited with code 1" in (bench.row(vm_id).failure_reason or "")
    assert quarantined(bench) == []


def test_two_vms_that_fail_without_naming_a_card_make_all_of_theirs_suspect(bench: Bench) -> None:
    bench.fault("qemu_exit", times=None, detail="kvm: vfio: the device does not answer")
    first = bench.vm(gpu_count=2)
    assert bench.settle(first) == "failed"
    assert quarantined(bench) == []
    second = bench.vm(gpu_count=2)
    assert bench.settle(second) == "failed"
    assert quarantined(bench) == ["gpu-vm01-0", "gpu-vm01-1"]
    assert any("GPU gpu-vm01-0 is quarantined" in line for line in bench.told(second))


def test_a_start_that_succeeds_ends_the_suspicion(bench: Bench) -> None:
    for works in (False, True, False):
        bench.simulator.faults.clear()
        if not works:
            bench.fault("qemu_exit", times=None, detail="kvm: vfio: the device does not answer")
        vm_id = bench.vm(gpu_count=2)
        assert bench.settle(vm_id) == ("running" if works else "failed")
        if works:
            bench.destroy(vm_id)
            bench.settle(vm_id)
    assert quarantined(bench) == []


def test_a_vm_that_stops_right_after_its_start_is_looked_at_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm_id = bench.vm()
    bench.until(vm_id, Step.BOOT)
    bench.fault("qemu_killed", method="GET", path="/status/current$", skip=1)
    bench.step(vm_id)
    assert "but the VM does not run" in bench.told(vm_id)[-1]
    assert bench.settle(vm_id) == "running"


def test_a_reset_that_failed_is_noticed_in_the_log(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real = boot.run_if_needed

    def with_warning(*args, **kwargs):  # type: ignore[no-untyped-def]
        result = real(*args, **kwargs)
        return type(result)(**{**vars(result), "reset_failed": (FIRST_CARD,)})

    monkeypatch.setattr(boot, "run_if_needed", with_warning)
    vm_id = bench.vm(gpu_count=2)
    assert bench.settle(vm_id) == "running"
    assert quarantined(bench) == ["gpu-vm01-0"]


@pytest.mark.parametrize(
    "fault",
    ["wrong_interface_first", "address_late", "agent_late", "ssh_late", "agent_error", "agent_timeout"],
)
def test_guests_that_take_their_time_are_waited_for(bench: Bench, fault: str) -> None:
    bench.fault(fault)
    vm_id = bench.vm()
    assert bench.settle(vm_id) == "running"
    assert str(bench.row(vm_id).ip_address).startswith("127.")


@pytest.mark.parametrize("fault", ["agent_never", "ssh_never"])
def test_a_guest_that_never_answers_fails_after_its_deadline(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(probe, "DEADLINE_SECONDS", 0.2)
    bench.fault(fault, times=None)
    vm_id = bench.vm()
    assert bench.settle(vm_id) == "failed"
    assert "waiting for SSH took longer than" in (bench.row(vm_id).failure_reason or "")
    assert bench.leftovers(100_000) == []


def test_a_guest_that_switches_itself_off_fails_at_once(bench: Bench) -> None:
    bench.fault("agent_never", times=None)
    bench.fault("guest_poweroff", method="GET", path="/agent/", skip=2)
    vm_id = bench.vm()
    assert bench.settle(vm_id) == "failed"
    assert "switched itself off" in (bench.row(vm_id).failure_reason or "")


def test_a_login_that_is_not_on_offer_fails(bench: Bench) -> None:
    def forbid_passwords(server):  # type: ignore[no-untyped-def]
        server.cluster.vms[9100].disk.password_login = False

    bench.simulator.call(forbid_passwords)
    vm_id = bench.vm(auth_method="password", password=PASSWORD)
    assert bench.settle(vm_id) == "failed"
    assert "password" in (bench.row(vm_id).failure_reason or "")


def test_a_vm_without_a_network_card_is_the_operators_fault(bench: Bench) -> None:
    vm_id = bench.vm()
    bench.until(vm_id, Step.PROBE)
    bench.edit(100_000, net0=None)
    bench.settle(vm_id)
    assert "has no network card net0" in (bench.row(vm_id).failure_reason or "")
