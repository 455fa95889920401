"""The cluster as a whole: nodes that go, resources that lag, ids that are free."""

from typing import Any

import pytest

from simulator import Fault
from tests.simulator.conftest import MakeLab
from tests.simulator.lab import NODE, TEMPLATE, Lab, eventually, refusal


def test_nextid_only_reports(lab: Lab) -> None:
    assert lab.api.cluster.nextid.get() == "100"
    assert lab.api.cluster.nextid.get() == "100"
    assert lab.api.cluster.nextid.get(vmid=4711) == "4711"
    problem = "invalid format - value does not look like a valid VM ID\n"
    assert refusal(lambda: lab.api.cluster.nextid.get(vmid=99)).errors == {"vmid": problem}


def _line(lab: Lab, vmid: int) -> dict[str, Any]:
    lines = lab.api.cluster.resources.get(type="vm")
    return next(line for line in lines if line["vmid"] == vmid)


def test_names_and_states_lag_while_tags_and_locks_are_fresh(make_lab: MakeLab) -> None:
    lab = make_lab(time_scale=0.05)
    lab.sim.call(lambda server: server.freeze_broadcast())
    lab.make(200, tags="new")
    assert _line(lab, 200) == {
        "id": "qemu/200",
        "type": "qemu",
        "vmid": 200,
        "node": NODE,
        "pool": "innkeeper",
        "status": "unknown",
        "tags": "new",
    }
    lab.sim.call(lambda server: server.world.broadcast.refresh())
    lab.vm(200).config.put(name="renamed", tags="newer")
    lab.start(200)
    line = _line(lab, 200)
    assert (line["name"], line["status"], line["tags"]) == ("guest-200", "stopped", "newer")
    lab.sim.call(lambda server: server.world.broadcast.refresh())
    line = _line(lab, 200)
    assert (line["name"], line["status"]) == ("renamed", "running")


def test_resources_by_type(lab: Lab) -> None:
    get = lab.api.cluster.resources.get
    assert {line["type"] for line in get()} == {"node", "qemu", "storage", "network"}
    assert {line["type"] for line in get(type="node")} == {"node"}
    assert {line["storage"] for line in get(type="storage")} == {"local", "local-zfs"}


def test_a_node_goes_down_and_comes_back(lab: Lab) -> None:
    lab.make(200, hostpci0="mapping=gpu-vm01-0")
    lab.start(200)
    lab.sim.faults.add(Fault("slow_start", seconds=10_000))
    lab.make(201)
    hanging = lab.vm(201).status.start.post(timeout=20_000)
    before = lab.node.status.get()["uptime"]

    lab.sim.node_down(NODE)
    error = refusal(lambda: lab.vm(200).status.current.get())
    assert (error.status_code, error.content) == (595, "No route to host")
    assert [node["status"] for node in lab.api.nodes.get()] == ["offline", "online"]
    assert [line["online"] for line in lab.api.cluster.status.get() if line["type"] == "node"] == [0, 1]
    eventually(lambda: _line(lab, 200)["status"] == "unknown")

    lab.sim.node_up(NODE)
    assert lab.node.status.get()["uptime"] < before
    assert lab.vm(200).status.current.get()["status"] == "stopped"
    assert lab.end(hanging) == "unexpected status"
    assert lab.sim.node(NODE).reservations == {}


def test_a_vm_with_onboot_starts_with_its_node(lab: Lab) -> None:
    lab.make(200, onboot=1)
    lab.make(201)
    lab.sim.node_down(NODE)
    lab.sim.node_up(NODE)
    eventually(lambda: lab.vm(200).status.current.get()["status"] == "running")
    assert lab.vm(201).status.current.get()["status"] == "stopped"


def test_without_a_majority_nothing_is_written(make_lab: MakeLab) -> None:
    lab = make_lab(nodes=3)
    lab.make(200)
    lab.sim.node_down("vm02")
    lab.vm(200).config.put(cores=2)
    lab.sim.node_down("vm03")
    assert next(line for line in lab.api.cluster.status.get() if line["type"] == "cluster")["quorate"] == 0
    text = "cluster not ready - no quorum?"
    for call in (
        lambda: lab.vm(200).config.put(cores=4),
        lambda: lab.vm(TEMPLATE).clone.post(newid=201, pool="innkeeper"),
        lab.vm(200).status.start.post,
        lab.vm(200).delete,
    ):
        assert refusal(call).content == text
    lab.sim.node_up("vm02")
    lab.vm(200).config.put(cores=4)
    lab.sim.set_quorum(False)
    assert refusal(lab.vm(200).delete).content == text


def test_a_vm_that_moved_is_not_where_it_was(lab: Lab) -> None:
    lab.make(200)
    lab.sim.move_vm(200, "vm02")
    assert refusal(lambda: lab.vm(200).config.get()).content == (
        "Configuration file 'nodes/vm01/qemu-server/200.conf' does not exist"
    )
    assert _line(lab, 200)["node"] == "vm02"
    assert lab.api.nodes("vm02").qemu(200).config.get()["name"] == "guest-200"


def test_localhost_is_the_node_that_answers(lab: Lab) -> None:
    assert lab.api.nodes("localhost").qemu.get() == lab.api.nodes("vm01").qemu.get()


@pytest.mark.parametrize("content", ["images", "iso"])
def test_storages_are_listed_by_content(lab: Lab, content: str) -> None:
    names = {line["storage"] for line in lab.node.storage.get(content=content)}
    assert names == ({"local-zfs"} if content == "images" else {"local"})


def test_the_volumes_of_a_vm_can_be_listed(lab: Lab) -> None:
    lab.make(200)
    content = lab.node.storage("local-zfs").content.get(vmid=200)
    assert {line["volid"] for line in content} == {
        "local-zfs:base-9101-disk-0/vm-200-disk-0",
        "local-zfs:base-9101-disk-1/vm-200-disk-1",
        "local-zfs:vm-200-cloudinit",
    }


def test_snapshots(lab: Lab, root: Any) -> None:
    lab.make(200)
    vm = root.nodes(NODE).qemu(200)
    lab.api = root
    assert lab.end(vm.snapshot.post(snapname="before")) == "OK"
    assert lab.end(vm.snapshot.post(snapname="before")) == "snapshot name 'before' already used"
    vm.config.put(cores=9)
    assert lab.end(vm.snapshot("before").rollback.post()) == "OK"
    assert vm.config.get()["cores"] == 4
    assert [line["name"] for line in vm.snapshot.get()] == ["before", "current"]
    assert refusal(vm.template.post).content == "unable to create template, because VM contains snapshots"
    assert lab.end(vm.snapshot("before").delete()) == "OK"
    assert lab.end(vm.snapshot("before").delete()) == "snapshot 'before' does not exist"


def test_a_template_from_an_image(lab: Lab, root: Any) -> None:
    lab.api = root
    node = root.nodes(NODE)
    config = {
        "name": "made",
        "memory": 2048,
        "scsi0": "local-zfs:0,import-from=local:import/ubuntu-24.04.qcow2",
        "ide2": "local-zfs:cloudinit",
        "net0": "virtio,bridge=vmbr0",
    }
    assert lab.end(node.qemu.post(vmid=300, **config)) == "OK"
    shown = node.qemu(300).config.get()
    assert (shown["boot"], shown["scsi0"]) == ("order=scsi0;net0", "local-zfs:vm-300-disk-0,size=3584M")
    assert lab.end(node.qemu(300).template.post()) == "OK"
    assert node.qemu(300).config.get()["scsi0"] == "local-zfs:base-300-disk-0,size=3584M"
    assert lab.end(node.qemu(300).clone.post(newid=301)) == "OK"
    text = "unable to create VM 300 - VM 300 already exists on node 'vm01'"
    assert refusal(lambda: root.nodes("vm02").qemu.post(vmid=300)).content == text
    missing = node.qemu.post(vmid=302, scsi0="local-zfs:0,import-from=/nope.qcow2")
    assert lab.end(missing) == "unable to create VM 302 - can't find file '/nope.qcow2'"
