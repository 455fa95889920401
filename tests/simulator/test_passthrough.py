"""Cards: mappings, conflicts, and what becomes of cards that break."""

from typing import Any

import pytest

from simulator import Fault
from simulator.machines.passthrough import NO_Q35
from tests.simulator.lab import NODE, Lab, refusal

CARD = "0000:01:00"


def test_the_node_lists_its_cards_with_all_functions(lab: Lab) -> None:
    devices = {device["id"]: device for device in lab.node.hardware.pci.get()}
    gpu, sound = devices[f"{CARD}.0"], devices[f"{CARD}.1"]
    assert (gpu["vendor"], gpu["device"], gpu["class"]) == ("0x10de", "0x2b85", "0x030000")
    assert (sound["device"], sound["iommugroup"]) == ("0x22e8", gpu["iommugroup"])
    assert not any(device["class"].startswith("0x06") for device in devices.values())
    everything = lab.node.hardware.pci.get(**{"pci-class-blacklist": ""})
    assert any(device["class"].startswith("0x06") for device in everything)


def test_one_mapping_per_card_and_all_fit(lab: Lab) -> None:
    mappings = lab.api.cluster.mapping.pci.get(**{"check-node": NODE})
    here = [mapping for mapping in mappings if mapping["id"].startswith("gpu-vm01-")]
    assert [mapping["checks"] for mapping in here] == [[]] * 4
    elsewhere = next(mapping for mapping in mappings if mapping["id"] == "gpu-vm02-0")
    assert elsewhere["checks"] == [{"severity": "warning", "message": "No mapping for node vm01."}]


def test_two_configurations_may_name_one_card_but_only_one_runs(lab: Lab) -> None:
    for vmid in (200, 201):
        lab.make(vmid, hostpci0="mapping=gpu-vm01-0,pcie=1")
    assert lab.start(200) == "OK"
    assert lab.start(201) == f"PCI device '{CARD}.0' already in use by VMID '200'"
    assert lab.stop(200) == "OK"
    assert lab.start(201) == "OK"


def test_a_card_of_a_vm_that_is_just_starting_is_reserved(lab: Lab) -> None:
    for vmid in (200, 201):
        lab.make(vmid, hostpci0="mapping=gpu-vm01-0,pcie=1", memory=65536)
    lab.sim.faults.add(Fault("slow_start", vmid=200, seconds=120))
    slow = lab.vm(200).status.start.post()
    assert lab.start(201) == f"PCI device '{CARD}.0' is currently reserved for use by VMID '200'"
    assert lab.end(slow) == "OK"


@pytest.mark.parametrize(
    ("config", "status"),
    [
        ({"hostpci0": "mapping=nosuch"}, "PCI device mapping not found for 'nosuch'"),
        ({"hostpci0": "mapping=gpu-vm02-0"}, "PCI device mapping not found for 'gpu-vm02-0'"),
        ({"hostpci0": "mapping=gpu-vm01-0,pcie=1", "delete": "machine"}, NO_Q35),
        (
            {"hostpci0": "mapping=gpu-vm01-0", "hostpci1": "mapping=gpu-vm01-0"},
            f"device '{CARD}.0' assigned more than once",
        ),
    ],
)
def test_what_is_wrong_with_a_device_shows_at_start(lab: Lab, config: dict[str, Any], status: str) -> None:
    lab.make(200, **config)
    assert lab.start(200) == status


def test_of_several_devices_a_mapping_gives_the_first_free_one(lab: Lab, root: Any) -> None:
    entries = [
        lab.api.cluster.mapping.pci(f"gpu-vm01-{number}").get()["map"][0].replace(" ", "")
        for number in (0, 1)
    ]
    root.cluster.mapping.pci.post(id="pair", map=entries)
    for vmid in (200, 201, 202):
        lab.make(vmid, hostpci0="mapping=pair")
    assert (lab.start(200), lab.start(201)) == ("OK", "OK")
    assert lab.start(202) == "could not find a free device for 'hostpci0'"
    lab.stop(200)
    assert lab.start(202) == "OK"


def test_a_mapping_that_no_longer_fits_is_refused(lab: Lab, root: Any) -> None:
    entry = "node=vm01,path=0000:01:00,id=10de:2b85,subsystem-id=10de:2057,iommugroup=99"
    root.cluster.mapping.pci("gpu-vm01-0").put(map=entry)
    lab.make(200, hostpci0="mapping=gpu-vm01-0")
    assert lab.start(200).startswith(
        "PCI device mapping invalid (hardware probably changed):"
        " 'iommugroup' does not match for 'gpu-vm01-0' (14 != 99)"
    )


def test_mappings_are_made_once(root: Any) -> None:
    error = refusal(
        lambda: root.cluster.mapping.pci.post(id="gpu-vm01-0", map="node=vm01,path=0000:01:00,id=1:1")
    )
    assert error.errors == {
        "map[0]": "invalid format - format error\nmap[0].id: value does not match the regex pattern\n"
    }
    entry = "node=vm01,path=0000:01:00,id=10de:2b85"
    error = refusal(lambda: root.cluster.mapping.pci.post(id="gpu-vm01-0", map=entry))
    assert error.content == "create hardware mapping failed: pci ID 'gpu-vm01-0' already defined"


def test_memory_is_pinned_and_cannot_be_promised_twice(lab: Lab) -> None:
    for number in (0, 1):
        lab.make(200 + number, hostpci0=f"mapping=gpu-vm01-{number}", memory=300 * 1024)
    assert lab.start(200) == "OK"
    upid = lab.vm(201).status.start.post()
    assert lab.end(upid) == "start failed: QEMU exited with code 1"
    assert lab.log(upid)[1] == "kvm: cannot set up guest memory 'pc.ram': Cannot allocate memory"


def test_a_missing_card_is_gone_from_the_list_and_from_starts(lab: Lab) -> None:
    lab.make(200, hostpci0="mapping=gpu-vm01-0")
    lab.sim.set_gpu(NODE, CARD, missing=True)
    assert f"{CARD}.0" not in {device["id"] for device in lab.node.hardware.pci.get()}
    assert "pci device '0000:01:00.0' not found" in lab.start(200)


def test_a_dead_card_hangs_every_start_until_the_node_restarts(lab: Lab) -> None:
    lab.make(200, hostpci0="mapping=gpu-vm01-0")
    lab.sim.set_gpu(NODE, CARD, dead=True)
    upid = lab.vm(200).status.start.post(timeout=5)
    assert lab.end(upid).endswith("failed: got timeout")
    assert "failed to reset PCI device '0000:01:00.0'" in "\n".join(lab.log(upid))
    lab.sim.node_down(NODE)
    lab.sim.node_up(NODE)
    assert lab.start(200) == "OK"


def test_a_foreign_vm_keeps_its_card(lab: Lab) -> None:
    lab.sim.make_foreign_vm(NODE, 150, running=True, gpus=["gpu-vm01-0"])
    lab.make(200, hostpci0="mapping=gpu-vm01-0")
    assert lab.start(200) == f"PCI device '{CARD}.0' already in use by VMID '150'"
