"""Answers of Proxmox VE 9.2 as plain data. The shapes are those of its API; the values are made up."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.proxmox.guest import addresses_of_mac
from workers.proxmox.model import LogPage, TaskState, VmConfig, VmStatus
from workers.proxmox.properties import is_true, mac_of, parse_properties, size_gib

CONFIG = {
    "agent": "enabled=1,fstrim_cloned_disks=1",
    "bios": "ovmf",
    "cipassword": "**********",
    "cores": 16,
    "description": "innkeeper:7f3c\n",
    "digest": "d" * 40,
    "efidisk0": "fast:vm-101-disk-1,efitype=4m,size=4M",
    "hostpci0": "mapping=gpu-vm01-81,pcie=1",
    "hostpci3": "mapping=gpu-vm01-c1,pcie=1",
    "ide2": "fast:vm-101-cloudinit,media=cdrom,size=4M",
    "lock": "clone",
    "machine": "q35",
    "memory": "65536",
    "name": "gpu-7f3c",
    "net0": "virtio=bc:24:11:6d:79:74,bridge=vmbr0",
    "onboot": 0,
    "scsi0": "fast:base-9000-disk-0/vm-101-disk-0,discard=on,size=1600M",
    "scsi1": "fast:vm-101-disk-2,size=2T",
    "sockets": 2,
    "tags": "innkeeper;gpu",
    "template": 1,
}


def test_a_configuration_is_read_whole() -> None:
    config = VmConfig.parse(CONFIG)
    assert config.name == "gpu-7f3c"
    assert config.description == "innkeeper:7f3c"
    assert config.digest == "d" * 40
    assert config.lock == "clone"
    assert config.tags == ("innkeeper", "gpu")
    assert config.template
    assert config.machine == "q35"
    assert (config.memory_mib, config.cores, config.sockets) == (65536, 16, 2)
    assert config.net0_mac == "BC:24:11:6D:79:74"
    assert config.hostpci == {0: "mapping=gpu-vm01-81,pcie=1", 3: "mapping=gpu-vm01-c1,pcie=1"}
    assert config.disk_gib == {"efidisk0": 0, "scsi0": 1, "scsi1": 2048}
    assert config.agent_enabled
    assert config.has_cloudinit_drive
    assert not config.onboot
    assert not config.protection
    assert config.options["cores"] == "16"


def test_the_stub_of_a_young_clone_is_read_too() -> None:
    config = VmConfig.parse({"digest": "a", "lock": "clone"})
    assert (config.name, config.description, config.lock, config.tags) == ("", "", "clone", ())
    assert (config.memory_mib, config.cores, config.net0_mac, config.disk_gib) == (512, 1, None, {})
    assert not config.agent_enabled
    assert not config.has_cloudinit_drive


def test_a_disk_without_a_size_counts_as_empty_and_an_iso_is_no_cloudinit_drive() -> None:
    config = VmConfig.parse({"digest": "a", "virtio0": "fast:x", "ide0": "iso:debian.iso,media=cdrom"})
    assert config.disk_gib == {"virtio0": 0}
    assert not config.has_cloudinit_drive


@pytest.mark.parametrize(
    "data", [None, [], "text", {}, {"digest": "a", "scsi0": "x,size=big"}, {"digest": "a", "memory": "x"}]
)
def test_what_is_no_configuration_does_not_pass_for_one(data: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        VmConfig.parse(data)


def test_the_status_of_a_running_vm() -> None:
    status = VmStatus.parse(
        {
            "status": "running",
            "qmpstatus": "running",
            "uptime": 36,
            "pid": "1446",
            "lock": "backup",
            "ha": {"managed": 1},
        }
    )
    assert status == VmStatus(
        running=True, lock="backup", uptime_seconds=36, pid=1446, qmpstatus="running", ha_managed=True
    )


def test_the_status_of_a_stopped_vm() -> None:
    status = VmStatus.parse({"status": "stopped", "qmpstatus": "stopped", "uptime": 0})
    assert status == VmStatus(
        running=False, lock=None, uptime_seconds=0, pid=None, qmpstatus="stopped", ha_managed=False
    )


@pytest.mark.parametrize(
    ("data", "state"),
    [
        ({"status": "running"}, TaskState(running=True)),
        ({"status": "stopped", "exitstatus": "OK"}, TaskState(running=False, exitstatus="OK")),
        ({"status": "stopped"}, TaskState(running=False, exitstatus="unexpected status")),
    ],
)
def test_a_task_runs_or_has_ended(data: dict[str, str], state: TaskState) -> None:
    assert TaskState.parse(data) == state


def test_a_log_page_knows_how_long_the_log_is() -> None:
    assert LogPage.parse([{"n": 1, "t": "a"}, {"n": 2, "t": "b"}], 7) == LogPage(("a", "b"), 7)
    assert LogPage.parse([{"n": 1, "t": "a"}], 0).total == 1


@pytest.mark.parametrize(
    ("text", "first", "parts"),
    [
        ("virtio=AA,bridge=vmbr0", "model", {"virtio": "AA", "bridge": "vmbr0"}),
        ("local:100/a.qcow2,size=3G", "file", {"file": "local:100/a.qcow2", "size": "3G"}),
        ("1", "enabled", {"enabled": "1"}),
    ],
)
def test_property_strings_come_apart(text: str, first: str, parts: dict[str, str]) -> None:
    assert parse_properties(text, first) == parts


@pytest.mark.parametrize("value", [1, "1", "on", "YES", "true", True])
def test_what_counts_as_true(value: object) -> None:
    assert is_true(value)


@pytest.mark.parametrize("value", [0, "0", "off", "", None, False])
def test_what_counts_as_false(value: object) -> None:
    assert not is_true(value)


@pytest.mark.parametrize(
    ("net", "mac"),
    [
        ("e1000=bc:24:11:00:00:01,bridge=vmbr0", "BC:24:11:00:00:01"),
        ("model=virtio,macaddr=BC:24:11:00:00:02", "BC:24:11:00:00:02"),
        ("virtio,bridge=vmbr0", None),
    ],
)
def test_the_mac_stands_as_the_models_value_or_by_name(net: str, mac: str | None) -> None:
    assert mac_of(net) == mac


@pytest.mark.parametrize(
    ("size", "gib"),
    [("32G", 32), ("1600M", 1), ("1.5T", 1536), ("4194304", 0), ("1048576K", 1), ("1073741824", 1)],
)
def test_sizes_are_whole_gib_rounded_down(size: str, gib: int) -> None:
    assert size_gib(size) == gib


@given(st.integers(min_value=0, max_value=100_000))
def test_a_size_in_gib_survives_every_unit(gib: int) -> None:
    assert size_gib(f"{gib}G") == size_gib(f"{gib * 1024}M") == size_gib(f"{gib * 1024**2}K") == gib


def interface(name: str, mac: str, *addresses: str) -> dict[str, Any]:
    return {
        "name": name,
        "hardware-address": mac,
        "ip-addresses": [
            {"ip-address": address, "ip-address-type": "any", "prefix": 24} for address in addresses
        ],
    }


MAC = "BC:24:11:6D:79:74"


@pytest.mark.parametrize(
    ("interfaces", "found"),
    [
        (
            [interface("lo", "00:00:00:00:00:00", "127.0.0.1"), interface("eth0", MAC.lower(), "10.0.0.5")],
            ("10.0.0.5",),
        ),
        (
            [interface("eth0", MAC, "169.254.3.4", "fe80::1", "2001:db8::5", "10.0.0.5")],
            ("2001:db8::5", "10.0.0.5"),
        ),
        ([interface("ens18", MAC, "127.44.0.9")], ("127.44.0.9",)),
        ([interface("eth0", "BC:24:11:00:00:00", "10.0.0.6")], ()),
        ([interface("docker0", MAC, "172.17.0.1"), interface("veth12ab", MAC, "10.9.0.1")], ()),
        ([interface("cni0", MAC, "10.42.0.1"), interface("br-9f1c", MAC, "172.18.0.1")], ()),
        ([interface("br0", MAC, "10.0.0.7"), {"name": "eth0", "hardware-address": MAC}], ("10.0.0.7",)),
        ([{"name": "eth0", "hardware-address": MAC, "ip-addresses": None}, {"name": "sit0"}], ()),
        ([interface("eth0", MAC, "no address", "fe80::1%eth0", "10.0.0.8")], ("10.0.0.8",)),
        ([], ()),
    ],
)
def test_only_addresses_of_the_vms_own_card_count(interfaces: list[Any], found: tuple[str, ...]) -> None:
    assert addresses_of_mac(interfaces, MAC) == found
