"""Configure: the clone becomes the VM that was asked for."""

import pytest
from sqlalchemy import select, update

from orchestrator.catalog.models import Address, Node
from orchestrator.vms.pipelines import Step
from simulator.schema.properties import parse_pairs
from tests.seed import PASSWORD, PUBLIC_KEY
from tests.workers.steps.bench import Bench
from workers.proxmox import Gateway


def options(bench: Bench, vmid: int = 100_000) -> dict[str, str]:
    vm = bench.simulator.vm(vmid)
    assert vm is not None
    return vm.config


def test_everything_is_as_asked_for(bench: Bench) -> None:
    vm_id = bench.vm(gpu_count=2, storage_gb=80)
    bench.until(vm_id, Step.BOOT)
    row, config = bench.row(vm_id), options(bench)
    assert config["cores"] == str(row.cpu_cores)
    assert config["memory"] == str(row.ram_gb * 1024)
    assert config["balloon"] == "0"
    assert config["onboot"] == "0"
    assert config["tags"] == "innkeeper"
    assert config["ciuser"] == "ubuntu"
    assert config["ciupgrade"] == "0"
    assert config["ipconfig0"] == "ip=dhcp"
    assert config["hostpci0"] == "mapping=gpu-vm01-0,pcie=1"
    assert config["hostpci1"] == "mapping=gpu-vm01-1,pcie=1"
    assert parse_pairs(config["scsi0"], "file")["size"] == "80G"
    assert str(vm_id) in config["description"]


def test_a_static_address_is_given_and_believed(bench: Bench) -> None:
    with bench.database.transaction() as tx:
        tx.execute(
            update(Node)
            .where(Node.id == "vm01")
            .values(address_mode="static", prefix_length=10, gateway="127.64.0.1")
        )
        tx.add(Address(node_id="vm01", address="127.66.0.10"))
    vm_id = bench.vm()
    assert bench.settle(vm_id) == "running"
    assert bench.row(vm_id).ip_address == "127.66.0.10"
    assert options(bench)["ipconfig0"] == "ip=127.66.0.10/10,gw=127.64.0.1"
    bench.destroy(vm_id)
    bench.settle(vm_id)
    with bench.database.transaction() as tx:
        assert tx.scalar(select(Address.vm_id)) is None, "the address is free again"


def test_a_key_or_a_hash_but_never_both(bench: Bench) -> None:
    bench.until(bench.vm(), Step.BOOT)
    bench.until(bench.vm(auth_method="password", password=PASSWORD), Step.BOOT)
    by_key, by_password = options(bench), options(bench, 100_001)
    assert PUBLIC_KEY.split()[1].replace("/", "%2F") in by_key["sshkeys"]
    assert "cipassword" not in by_key
    assert by_password["cipassword"].startswith("$6$rounds=1000$")
    assert "sshkeys" not in by_password
    assert PASSWORD not in str(bench.simulator.requests)


def test_a_template_without_q35_gets_no_pcie_flag(bench: Bench) -> None:
    bench.edit(9100, machine=None)
    bench.until(bench.vm(), Step.BOOT)
    assert options(bench)["hostpci0"] == "mapping=gpu-vm01-0"


def test_cards_that_are_not_ours_are_taken_out(bench: Bench) -> None:
    vm_id = bench.vm()
    bench.until(vm_id, Step.CONFIGURE)
    bench.edit(100_000, hostpci3="mapping=gpu-vm01-7")
    bench.until(vm_id, Step.BOOT)
    assert "hostpci3" not in options(bench)


@pytest.mark.parametrize("fault", ["lost_response_after", "proxy_timeout_after", "lost_response_before"])
def test_a_lost_answer_is_written_again(bench: Bench, fault: str) -> None:
    bench.fault(fault, method="PUT", path="/config$")
    assert bench.settle(bench.vm()) == "running"


def test_somebody_elses_edit_between_is_noticed(bench: Bench) -> None:
    bench.fault(
        "server_error", method="PUT", path="/config$", detail="checksum mismatch (file change by other user?)"
    )
    vm_id = bench.vm()
    assert bench.settle(vm_id) == "running"
    assert any("checksum mismatch" in line for line in bench.told(vm_id))


def test_a_configuration_that_does_not_hold_is_not_believed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm_id = bench.vm()
    bench.until(vm_id, Step.CONFIGURE)
    with monkeypatch.context() as lying:
        lying.setattr(Gateway, "configure", lambda *_, **__: None)
        bench.step(vm_id)
    assert "does not have the configuration that was written" in bench.told(vm_id)[-1]
    assert bench.settle(vm_id) == "running"


def test_a_failing_resize_fails_the_vm(bench: Bench) -> None:
    bench.fault("flock_timeout", method="PUT", path="/resize$", times=None)
    vm_id = bench.vm()
    assert bench.settle(vm_id) == "failed"
    assert "lock-100000.conf" in (bench.row(vm_id).failure_reason or "")
    assert bench.leftovers(100_000) == []


def test_a_locked_vm_is_waited_for(bench: Bench) -> None:
    vm_id = bench.vm()
    bench.until(vm_id, Step.CONFIGURE)
    bench.simulator.lock_vm(100_000, "backup")
    bench.step(vm_id)
    assert "is locked (backup)" in bench.told(vm_id)[-1]
    bench.simulator.lock_vm(100_000, None)
    assert bench.settle(vm_id) == "running"


def test_a_vm_that_is_gone_or_somebody_elses_now_is_not_configured(bench: Bench) -> None:
    bench.see_everything()
    vm_id = bench.vm()
    bench.until(vm_id, Step.CONFIGURE)
    bench.edit(100_000, description="taken over")
    bench.step(vm_id)
    assert "is not ours any more" in bench.told(vm_id)[-1]
    assert "hostpci0" not in options(bench)
    bench.simulator.call(lambda server: server.cluster.vms.pop(100_000))
    bench.step(vm_id)
    assert "is gone from cluster" in bench.told(vm_id)[-1]
