"""Configuration: what is kept, what is pending, what is refused."""

from typing import Any
from urllib.parse import quote

import paramiko
import pytest

from simulator.schema.parameters import UNKNOWN
from tests.simulator.lab import NODE, TEMPLATE, Lab, encoded, refusal

NO_NETWORK = "value does not look like a valid ipv4 network configuration"
LOST = "Configuration file 'nodes/vm01/qemu-server/777.conf' does not exist"


FORM = "invalid format - "
INNER = f"{FORM}format error\n"


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("memory", 8, f"{INNER}memory.current: value must have a minimum value of 16\n"),
        ("name", "under_score", f"{FORM}value does not look like a valid DNS name\n"),
        ("tags", "ok;-x", f"{FORM}invalid characters in tag\n"),
        ("net0", "virtio,tag=5000", f"{INNER}net0.tag: value must have a maximum value of 4094\n"),
        ("ipconfig0", "gw=10.0.0.1,ip=dhcp", None),
        ("ipconfig0", "ip=10.0.0.5", f"{INNER}ipconfig0.ip: {FORM}{NO_NETWORK}\n\n"),
        ("hostpci0", "nonsense", f"{INNER}hostpci0.host: value does not match the regex pattern\n"),
        ("onboot", "yes", "type check ('boolean') failed - got 'yes'"),
        ("scsi31", "local-zfs:1", UNKNOWN),
        ("sshkeys", "ssh-rsa AAAA a@b", f"{FORM}invalid urlencoded string: ssh-rsa AAAA a@b\n"),
        ("delete", "nosuch", "unknown option 'nosuch'"),
        ("skiplock", 1, "Only root may use this option."),
    ],
)
def test_a_bad_value_is_named_with_its_reason(lab: Lab, option: str, value: Any, problem: str | None) -> None:
    def change() -> None:
        lab.vm(TEMPLATE).config.put(**{option: value})

    if problem is None:
        change()
        return
    error = refusal(change)
    assert (error.status_code, error.errors) == (400, {option: problem})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, "no options specified"),
        ({"digest": "0" * 40, "cores": 2}, "checksum mismatch (file change by other user?)"),
        ({"sshkeys": "not%20a%20key"}, "SSH public key validation error"),
        ({"scsi1": "nosuch:1"}, "storage 'nosuch' does not exist"),
        ({"scsi1": "local-zfs:vm-9101-disk-9"}, "volume 'local-zfs:vm-9101-disk-9' does not exist"),
    ],
)
def test_a_change_that_dies(root: Any, change: dict[str, Any], text: str) -> None:
    error = refusal(lambda: root.nodes(NODE).qemu(TEMPLATE).config.put(**change))
    assert (error.status_code, error.content) == (500, text)


def test_a_vm_that_is_not_on_this_node(lab: Lab, root: Any) -> None:
    vm = root.nodes(NODE).qemu(777)
    for call in (vm.config.get, vm.status.current.get, vm.delete, lambda: vm.config.put(cores=1)):
        assert refusal(call).content == LOST
    for call in (vm.status.start.post, lambda: vm.resize.put(disk="scsi0", size="3G")):
        assert lab.end(call()) == LOST


def test_tags_are_sorted_lowered_and_joined(lab: Lab) -> None:
    lab.vm(TEMPLATE).config.put(tags="B;a,c  a")
    assert lab.vm(TEMPLATE).config.get()["tags"] == "a;b;c"


def test_a_network_card_gets_a_mac_and_sorted_keys(lab: Lab) -> None:
    lab.make(200).config.put(net0="virtio,tag=20,bridge=vmbr0")
    assert lab.vm(200).config.get()["net0"].startswith("virtio=BC:24:11:")
    assert lab.vm(200).config.get()["net0"].endswith(",bridge=vmbr0,tag=20")


def test_the_digest_of_the_last_reading_is_accepted(lab: Lab) -> None:
    vm = lab.vm(TEMPLATE)
    vm.config.put(cores=2, digest=vm.config.get()["digest"])
    assert vm.config.get()["cores"] == 2


def test_a_password_is_hashed_unless_it_is_a_hash_and_never_shown(lab: Lab) -> None:
    ready = "$6$saltsalt$" + "a" * 86
    for password, stored in (("hush", "$5$"), (ready, ready), ("$y$j9T$x$y", "$5$")):
        lab.vm(TEMPLATE).config.put(cipassword=password)
        assert lab.vm(TEMPLATE).config.get()["cipassword"] == "**********"
        assert lab.sim.vm(TEMPLATE).config["cipassword"].startswith(stored)  # type: ignore[union-attr]


def test_keys_come_back_as_they_were_sent(lab: Lab, key: paramiko.PKey) -> None:
    lab.vm(TEMPLATE).config.put(sshkeys=encoded(key))
    assert lab.vm(TEMPLATE).config.get()["sshkeys"] == encoded(key)
    user_data = lab.vm(TEMPLATE).cloudinit.dump.get(type="user")
    assert f"  - {key.get_name()} {key.get_base64()} test" in user_data
    assert quote("/", safe="") == "%2F"


def test_numbers_and_booleans_are_numbers_and_the_rest_is_text(lab: Lab) -> None:
    shown = lab.vm(TEMPLATE).config.get()
    assert (shown["cores"], shown["template"], shown["memory"]) == (4, 1, "4096")


def test_changes_of_a_running_vm_wait_for_its_stop(lab: Lab) -> None:
    vm = lab.make(200, cores=2)
    assert lab.start(200) == "OK"
    vm.config.put(cores=4, hostpci0="mapping=gpu-vm01-0", tags="now", delete="balloon")
    assert vm.config.get()["cores"] == 4
    assert vm.config.get(current=1)["cores"] == 2
    pending = {line["key"]: line for line in vm.pending.get()}
    assert pending["cores"] == {"key": "cores", "value": 2, "pending": 4}
    assert pending["hostpci0"] == {"key": "hostpci0", "pending": "mapping=gpu-vm01-0"}
    assert pending["balloon"]["delete"] == 1
    assert pending["tags"] == {"key": "tags", "value": "now"}
    vm.config.put(revert="balloon")
    assert lab.stop(200) == "OK"
    now = vm.config.get(current=1)
    assert (now["cores"], now["hostpci0"], now["balloon"]) == (4, "mapping=gpu-vm01-0", 0)
    assert all("pending" not in line for line in vm.pending.get())


def test_a_card_on_a_missing_bridge_is_a_hotplug_problem(lab: Lab) -> None:
    vm = lab.make(200)
    lab.start(200)
    errors = refusal(lambda: vm.config.put(net1="virtio,bridge=vmbr9")).errors
    assert errors["net1"].startswith("hotplug problem - VM 200 qmp command 'netdev_add' failed")


def test_a_post_is_a_task(lab: Lab) -> None:
    upid = lab.vm(TEMPLATE).config.post(cores=2, cipassword="hush")
    assert lab.end(upid) == "OK"
    assert lab.log(upid)[0] == "update VM 9101: -cipassword <hidden> -cores 2"


def test_a_disk_is_made_detached_and_freed(lab: Lab) -> None:
    vm = lab.make(200, scsi1="local-zfs:5")
    assert vm.config.get()["scsi1"] == "local-zfs:vm-200-disk-2,size=5G"
    vm.config.put(delete="scsi1")
    assert vm.config.get()["unused0"] == "local-zfs:vm-200-disk-2"
    vm.config.put(scsi1="local-zfs:vm-200-disk-2")
    assert "unused0" not in vm.config.get()
    vm.config.put(delete="scsi1")
    vm.config.put(delete="unused0")
    assert "local-zfs:vm-200-disk-2" not in lab.sim.volumes(NODE)


@pytest.mark.parametrize(
    ("disk", "size", "status"),
    [
        ("scsi0", "120G", "OK"),
        ("scsi0", "10G", "OK"),
        ("scsi0", "+5G", "OK"),
        ("scsi0", "1G", "shrinking disks is not supported"),
        ("scsi9", "10G", "disk 'scsi9' does not exist"),
        ("ide2", "1G", "you can't resize a cdrom"),
    ],
)
def test_resize(lab: Lab, disk: str, size: str, status: str) -> None:
    vm = lab.make(200)
    assert lab.end(vm.resize.put(disk=disk, size=size)) == status
    grown = {"120G": "120G", "+5G": "15G"}.get(size, "10G")
    assert vm.config.get()["scsi0"].endswith(f"size={grown}")


def test_cloudinit_shows_what_the_guest_has_not_seen_yet(lab: Lab) -> None:
    vm = lab.make(200, ciuser="ada", ciupgrade=0)
    lab.start(200)
    vm.config.put(ciuser="bob")
    assert {"key": "ciuser", "value": "ada", "pending": "bob"} in vm.cloudinit.get()
    vm.cloudinit.put()
    assert {"key": "ciuser", "value": "bob"} in vm.cloudinit.get()
