"""What operators and other clients call around a provisioner."""

from typing import Any

import pytest

from tests.simulator.lab import NODE, TEMPLATE, Lab, refusal


def test_users_tokens_and_roles_come_and_go(root: Any) -> None:
    access = root.access
    access.users.post(userid="ada@pve", comment="lab")
    assert "ada@pve" in {user["userid"] for user in access.users.get()}
    assert refusal(lambda: access.users.post(userid="ada@pve")).status_code == 500
    made = access.users("ada@pve").token("t1").post(comment="for tests")
    assert (made["full-tokenid"], made["info"]["privsep"]) == ("ada@pve!t1", "1")
    again = refusal(lambda: access.users("ada@pve").token("t1").post())
    assert again.errors == {"tokenid": "Token already exists."}
    assert [token["tokenid"] for token in access.users("ada@pve").token.get()] == ["t1"]
    access.users("ada@pve").token("t1").delete()
    assert refusal(access.users("ada@pve").token("t1").delete).status_code == 500
    access.users("ada@pve").delete()
    assert refusal(access.users("ada@pve").delete).content == "no such user ('ada@pve')"

    access.roles.post(roleid="Lab", privs="VM.Audit")
    access.roles("Lab").put(privs="VM.Clone", append=1)
    assert access.roles("Lab").get() == {"VM.Audit": 1, "VM.Clone": 1}
    bad = refusal(lambda: access.roles.post(roleid="Old", privs="VM.Monitor"))
    assert bad.errors == {"privs": "invalid format - invalid privilege 'VM.Monitor'\n"}
    assert "Lab" in {role["roleid"] for role in access.roles.get()}
    access.roles("Lab").delete()
    assert refusal(access.roles("Lab").get).content == "role 'Lab' does not exist"


def test_entries_grant_and_revoke(root: Any) -> None:
    root.access.users.post(userid="ada@pve")
    grant = {"path": "/vms/100", "users": "ada@pve", "roles": "PVEVMUser", "propagate": 0}
    root.access.acl.put(**grant)
    entry = {"path": "/vms/100", "ugid": "ada@pve", "type": "user", "roleid": "PVEVMUser", "propagate": 0}
    assert entry in root.access.acl.get()
    assert root.access.permissions.get(userid="ada@pve", path="/vms/100")["/vms/100"]["VM.Audit"] == 0
    root.access.acl.put(**grant, delete=1)
    assert entry not in root.access.acl.get()
    assert refusal(lambda: root.access.acl.put(path="/", users="ada@pve", roles="Nope")).status_code == 400


def test_storages_are_defined_disabled_and_removed(lab: Lab, root: Any) -> None:
    assert root.storage.post(storage="extra", type="dir", path="/mnt/x", content="images") == {
        "storage": "extra",
        "type": "dir",
    }
    assert refusal(lambda: root.storage.post(storage="extra", type="dir", path="/x")).status_code == 500
    lab.api = root
    assert lab.end(root.nodes(NODE).qemu.post(vmid=300, scsi0="extra:1,format=qcow2")) == "OK"
    volid = "extra:300/vm-300-disk-0.qcow2"
    assert root.nodes(NODE).qemu(300).config.get()["scsi0"] == f"{volid},size=1G"
    content = root.nodes(NODE).storage("extra").content
    assert content.get()[0]["volid"] == volid
    assert content(volid.replace("/", "%2F")).get()["format"] == "qcow2"
    assert lab.end(content(volid.replace("/", "%2F")).delete()) == "OK"
    assert content.get() == []
    root.storage("extra").put(disable=1)
    assert refusal(root.nodes(NODE).storage("extra").status.get).content == "storage 'extra' is disabled"
    assert root.storage("extra").get()["disable"] == 1
    assert {line["storage"] for line in root.storage.get()} == {"local", "local-zfs", "extra"}
    root.storage("extra").delete()
    assert refusal(root.storage("extra").get).content == "storage 'extra' does not exist"


def test_pools_are_made_filled_and_removed(root: Any) -> None:
    root.pools.post(poolid="other", comment="lab")
    moved = refusal(lambda: root.pools.put(poolid="other", vms=TEMPLATE))
    assert moved.content == f"update pools failed: VM {TEMPLATE} belongs already to pool 'innkeeper'"
    root.pools.put(poolid="other", vms=TEMPLATE, **{"allow-move": 1})
    assert [member["vmid"] for member in root.pools("other").get(type="qemu")["members"]] == [TEMPLATE]
    assert {pool["poolid"] for pool in root.pools.get()} == {"innkeeper", "other"}
    assert refusal(root.pools("other").delete).status_code == 500
    root.pools("other").put(vms=TEMPLATE, delete=1)
    assert refusal(lambda: root.pools("other").put(vms=TEMPLATE, delete=1)).status_code == 500
    assert refusal(lambda: root.pools("other").put(vms=777)).status_code == 500
    root.pools("other").delete()
    assert refusal(root.pools("other").get).content == "pool 'other' does not exist"
    assert refusal(lambda: root.pools.post(poolid="innkeeper")).status_code == 500


def test_mappings_change_with_their_digest(root: Any) -> None:
    mapping = root.cluster.mapping.pci("gpu-vm01-0")
    stale = mapping.get()["digest"]
    mapping.put(description="first slot", digest=stale)
    assert mapping.get()["description"] == "first slot"
    assert "Try again" in refusal(lambda: mapping.put(description="x", digest=stale)).content
    mapping.put(delete="description,mdev")
    assert "description" not in mapping.get()
    mapping.delete()
    assert refusal(mapping.get).content == "mapping 'gpu-vm01-0' not found"


@pytest.mark.parametrize(
    "path",
    [
        "/nodes/vm01",
        "/nodes/vm01/hardware",
        "/nodes/vm01/qemu/9101",
        "/nodes/vm01/qemu/9101/agent",
        "/nodes/vm01/qemu/9101/status",
        "/cluster/mapping",
        "/nodes/vm01/network",
        "/nodes/vm01/version",
        "/nodes/vm01/subscription",
        "/cluster/ha/resources",
        "/cluster/options",
    ],
)
def test_what_others_look_at(lab: Lab, path: str) -> None:
    assert lab.request("GET", path).status_code == 200


def test_features(lab: Lab) -> None:
    assert lab.vm(TEMPLATE).feature.get(feature="clone") == {"hasFeature": 1, "nodes": [NODE]}
    lab.make(200)
    assert lab.vm(200).feature.get(feature="clone") == {"hasFeature": 0, "nodes": []}


def test_addresses_of_devices_only(lab: Lab) -> None:
    assert {"id": "0000:01:00.0"} in lab.node.hardware.pci.get(verbose=0)


def test_a_node_restarts_by_a_call(lab: Lab, root: Any) -> None:
    root.nodes("vm02").status.post(command="shutdown")
    assert not lab.sim.node("vm02").online


def test_a_new_vm_can_be_started_and_put_into_a_pool_at_once(lab: Lab) -> None:
    upid = lab.node.qemu.post(vmid=300, pool="innkeeper", memory=512, start=1)
    assert lab.end(upid) == "OK"
    assert lab.vm(300).status.current.get()["status"] == "running"
    assert refusal(lambda: lab.node.qemu.post(vmid=301)).status_code == 403
    wrong = refusal(lambda: lab.node.qemu.post(vmid=301, pool="innkeeper", scsi0="local:1"))
    assert wrong.content == "storage 'local' does not support content-type 'images'"
