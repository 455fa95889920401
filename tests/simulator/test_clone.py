"""Clones, from the stub to the last lock."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from simulator import Fault
from tests.simulator.conftest import MakeLab
from tests.simulator.lab import NODE, POOL, TEMPLATE, Lab, eventually, refusal, root_client

UPID = re.compile(r"UPID:vm01:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:qmclone:9101:innkeeper@pve!orchestrator:")
SLOW = 0.05


def _copying(lab: Lab, newid: int) -> str:
    """A full clone in the middle of its copy."""
    upid: str = lab.vm(TEMPLATE).clone.post(newid=newid, name="slow", pool=POOL, full=1, bwlimit=500_000)
    eventually(lambda: "(0.00%)" in "".join(lab.log(upid)).partition("scsi0")[2])
    return upid


def test_the_answer_is_a_upid_named_after_the_template(lab: Lab) -> None:
    upid = lab.vm(TEMPLATE).clone.post(newid=200, pool=POOL)
    assert UPID.fullmatch(upid)
    assert lab.end(upid) == "OK"
    assert lab.log(upid)[0] == "creating a clone of VM 9101 with ID 200"


def test_a_linked_clone_takes_over_the_template_and_gets_ids_of_its_own(lab: Lab) -> None:
    assert lab.clone(200, description="marker") == "OK"
    template, copy = lab.vm(TEMPLATE).config.get(), lab.vm(200).config.get()
    assert (copy["name"], copy["description"]) == ("guest-200", "marker")
    for option in ("tags", "cores", "memory", "machine", "bios", "agent", "boot"):
        assert copy[option] == template[option]
    for option in ("net0", "smbios1", "vmgenid", "digest"):
        assert copy[option] != template[option]
    assert copy["scsi0"] == "local-zfs:base-9101-disk-1/vm-200-disk-1,discard=on,size=10G"
    assert "template" not in copy
    assert "lock" not in copy


def test_a_clone_without_a_name_is_a_copy(lab: Lab) -> None:
    assert lab.clone(200, name=None) == "OK"
    assert lab.vm(200).config.get()["name"] == "Copy-of-VM-ubuntu-24-04-vm01"


def test_full_clones_take_room_and_linked_ones_hardly_any(lab: Lab) -> None:
    storage = lab.node.storage("local-zfs").status
    before = storage.get()["used"]
    lab.clone(200)
    assert storage.get()["used"] - before < 10 * 1024**2
    lab.clone(201, full=1)
    assert storage.get()["used"] - before > 10 * 1024**3


def test_while_it_copies_the_target_is_a_locked_stub_and_the_template_is_free(make_lab: MakeLab) -> None:
    lab = make_lab(time_scale=SLOW)
    root = root_client(lab.sim).nodes(NODE).qemu
    _copying(lab, 200)
    stub = root(200).config.get()
    assert (stub["lock"], stub["tags"]) == ("clone", "template")
    assert "scsi0" not in stub
    assert root(200).status.current.get()["lock"] == "clone"
    assert refusal(lambda: lab.api.cluster.nextid.get(vmid=200)).status_code == 400
    assert "lock" not in lab.vm(TEMPLATE).config.get()
    assert refusal(lambda: root(200).config.put(cores=2)).content == "VM is locked (clone)"
    started = root(200).status.start.post()
    assert lab.clone(201) == "OK"
    assert lab.sim.vm(201) is not None
    lab.api = root_client(lab.sim)
    assert lab.end(started) == "can't lock file '/var/lock/qemu-server/lock-200.conf' - got timeout"


def test_a_clone_joins_its_pool_only_when_it_is_done(make_lab: MakeLab) -> None:
    lab = make_lab(time_scale=SLOW)
    upid = _copying(lab, 200)
    assert refusal(lambda: lab.vm(200).config.get()).status_code == 403
    assert lab.end(upid) == "OK"
    assert lab.vm(200).config.get()["name"] == "slow"


def test_stopping_the_task_removes_what_it_made(make_lab: MakeLab) -> None:
    lab = make_lab(time_scale=SLOW)
    upid = _copying(lab, 200)
    lab.node.tasks(upid).delete()
    status = lab.end(upid)
    assert status.startswith("clone failed: copy failed: command '/usr/bin/qemu-img convert -p -n -r 500000K")
    assert status.endswith("failed: interrupted by signal")
    assert lab.sim.vm(200) is None
    assert 200 not in lab.sim.volumes(NODE).values()


def test_a_killed_worker_leaves_stub_and_volumes_behind(make_lab: MakeLab) -> None:
    lab = make_lab(time_scale=SLOW)
    upid = _copying(lab, 200)
    assert lab.sim.kill_task(upid)
    assert lab.end(upid) == "unexpected status"
    assert not lab.log(upid)[-1].startswith("TASK")
    left = root_client(lab.sim).nodes(NODE).qemu(200)
    assert left.config.get()["lock"] == "clone"
    assert list(lab.sim.volumes(NODE).values()).count(200) == 3
    lab.api = root_client(lab.sim)
    assert lab.end(left.delete()) == "VM is locked (clone)"
    assert lab.end(left.delete(skiplock=1)) == "OK"


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        ({"newid": 9100}, 500, "unable to create VM 9100: config file already exists"),
        (
            {"newid": 200, "full": 0, "storage": "local-zfs"},
            500,
            "parameter 'storage' not allowed for linked clones",
        ),
        ({"newid": 200, "full": 1, "storage": "nosuch"}, 500, "storage 'nosuch' does not exist"),
        ({"newid": 200, "target": "vm09"}, 500, "no such cluster node 'vm09'"),
        ({"newid": 200, "snapname": "nosnap"}, 500, "snapshot 'nosnap' does not exist"),
        ({"newid": 200, "pool": "nopool"}, 403, "Permission check failed (pool 'nopool' does not exist)"),
    ],
)
def test_what_is_refused_at_once(lab: Lab, options: dict[str, Any], status: int, text: str) -> None:
    wanted = {"pool": POOL, **options}
    error = refusal(lambda: lab.vm(TEMPLATE).clone.post(**wanted))
    if "pool" in options:
        assert error.status_code == 403
    else:
        assert (error.status_code, error.content) == (status, text)


def test_a_vmid_of_another_node_is_found_taken_only_by_the_worker(lab: Lab) -> None:
    lab.sim.make_foreign_vm("vm02", 200)
    path = "/etc/pve/nodes/vm01/qemu-server/200.conf"
    assert lab.clone(200) == f"close (rename) atomic file '{path}' failed: File exists"
    assert lab.sim.vm(200).node == "vm02"  # type: ignore[union-attr]


def test_only_templates_can_be_linked(lab: Lab) -> None:
    lab.clone(200)
    error = refusal(lambda: lab.vm(200).clone.post(newid=201, pool=POOL, full=0))
    assert error.content == (
        "Linked clone feature is not supported for 'local-zfs:base-9101-disk-0/vm-200-disk-0' (efidisk0)"
    )


def test_of_clones_to_one_vmid_exactly_one_succeeds(lab: Lab) -> None:
    def attempt(_: int) -> str:
        try:
            return lab.end(lab.vm(TEMPLATE).clone.post(newid=200, pool=POOL))
        except Exception as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(attempt, range(4)))
    assert results.count("OK") == 1
    refused = [result for result in results if result != "OK"]
    assert all("already exists" in text or "got timeout" in text for text in refused)


def test_a_full_storage_ends_the_task_and_leaves_nothing(lab: Lab) -> None:
    lab.sim.faults.add(Fault("storage_full"))
    assert lab.clone(200) == "clone failed: zfs error: cannot create 'rpool/data/vm-200-disk-0': out of space"
    assert lab.sim.vm(200) is None
    assert 200 not in lab.sim.volumes(NODE).values()


def test_a_template_in_use_cannot_be_destroyed(lab: Lab, root: Any) -> None:
    lab.clone(200)
    upid = root.nodes(NODE).qemu(TEMPLATE).delete()
    assert lab.end(upid) == "base volume 'local-zfs:base-9101-disk-0' is still in use by linked cloned"
    assert lab.vm(TEMPLATE).config.get()["template"] == 1
