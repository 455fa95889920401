"""What may become part of a path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pve_stub import UPID

from orchestrator.errors import PveBug
from workers.proxmox.names import checked, checked_upid, checked_vmid, parse_upid

GOOD = {
    "node": ["pve1", "vm01", "GPU-node-7", "a", "x" * 63],
    "storage": ["local", "local-lvm", "ceph_vm.ssd", "ab"],
    "pool": ["innkeeper", "gpu/vms", "a.b-c_d"],
    "disk": ["scsi0", "virtio15", "efidisk0", "tpmstate0", "sata3", "ide2"],
    "VM name": ["gpu-0123456789ab", "a.example.org"],
    "option": ["cores", "hostpci0", "sshkeys", "import-working-storage"],
    "guest path": ["/run/innkeeper/notice", "/tmp/ä b"],
}
BAD = {
    "node": ["", "..", "../../access", "a/b", "a?b", "a#b", "pve1\n", "-a", "a-", "x" * 64, "pvé", "a.b"],
    "storage": ["", "..", "1a", "a", "a/b", "a?", "größe"],
    "pool": ["", "/", "a/", "a/b/c/d", "a b"],
    "disk": ["scsi", "net0", "scsi0/..", "unused0", "efidisk1"],
    "VM name": ["", "bad_name!", "-a", "a..b", "a b"],
    "option": ["", "Cores", "a b", "0a", "a=b"],
    "guest path": ["", "etc/motd", "/a\nb", "/"],
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in GOOD.items() for name in names])
def test_names_as_proxmox_has_them_pass(kind: str, name: str) -> None:
    assert checked(kind, name) == name


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in BAD.items() for name in names])
def test_other_names_are_our_fault_and_are_not_sent(kind: str, name: str) -> None:
    with pytest.raises(PveBug, match="nothing was sent"):
        checked(kind, name)


@given(st.text())
def test_whatever_passes_as_a_node_cannot_leave_its_place_in_a_path(name: str) -> None:
    try:
        checked("node", name)
    except PveBug:
        return
    assert name
    assert not set(name) & set("/?#%.\\ \n")


@pytest.mark.parametrize("vmid", [100, 101, 999_999_999])
def test_vmids_in_range_pass(vmid: int) -> None:
    assert checked_vmid(vmid) == vmid


@pytest.mark.parametrize("vmid", [99, 0, -1, 1_000_000_000, True, "101", 101.0, None])
def test_other_vmids_are_refused(vmid: object) -> None:
    with pytest.raises(PveBug, match="is no VMID"):
        checked_vmid(vmid)  # type: ignore[arg-type]


def test_a_upid_tells_its_node_and_what_it_works_on() -> None:
    upid = parse_upid(UPID)
    assert (upid.node, upid.type, upid.id, upid.text) == ("pve1", "qmclone", "9000", UPID)


@pytest.mark.parametrize(
    "text",
    [
        "UPID:pve1:0000036C:00033745:6B043EF0:qmcreate:9000:root@pam:",
        "UPID:pve1:0000036C:100033745:6B043EF0:vncproxy::root@pam:",
    ],
)
def test_upids_of_other_shapes_parse(text: str) -> None:
    assert checked_upid(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "OK",
        UPID[:-1],
        UPID + "x",
        UPID.replace("pve1", ".."),
        UPID.replace("9000", "../x"),
        UPID.replace("qmclone", "a/b"),
    ],
)
def test_other_texts_are_no_upid(text: str) -> None:
    with pytest.raises(ValueError, match="is no UPID"):
        parse_upid(text)
    with pytest.raises(PveBug, match="nothing was sent"):
        checked_upid(text)
