"""The changes: exactly what is sent, and that nothing odd is."""

import pytest
from pve_stub import UPID, PveStub, data, failure

from orchestrator.errors import PveBug, PveConflict
from workers.proxmox import Gateway

VM = "/nodes/vm01/qemu/101"
KEYS = "ssh-ed25519 AAAA+/= me@home\nssh-rsa BBBB you@home"


def clone(gateway: Gateway, **options: object) -> str:
    given = {
        "name": "gpu-7f3c",
        "description": "innkeeper:7f3c",
        "pool": "innkeeper",
        "full": True,
        "storage": "fast",
        "target": None,
        **options,
    }
    return gateway.clone("vm01", 9000, 101, **given)  # type: ignore[arg-type]


ALWAYS = {"newid": "101", "name": "gpu-7f3c", "description": "innkeeper:7f3c"}


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, {"pool": "innkeeper", "full": "1", "storage": "fast"}),
        ({"full": False}, {"pool": "innkeeper", "full": "0"}),
        ({"storage": None, "pool": None}, {"full": "1"}),
        ({"target": "vm02", "pool": None}, {"full": "1", "storage": "fast", "target": "vm02"}),
        ({"target": "vm01", "pool": None}, {"full": "1", "storage": "fast"}),
    ],
)
def test_a_clone_carries_its_marker_and_nothing_that_is_refused(
    stub: PveStub, gateway: Gateway, options: dict[str, object], sent: dict[str, str]
) -> None:
    stub.on("POST /nodes/vm01/qemu/9000/clone", data(UPID))
    assert clone(gateway, **options) == UPID
    assert stub.last.parameters == {**ALWAYS, **sent}


@pytest.mark.parametrize(
    "options", [{"name": "a_b"}, {"pool": "my pool"}, {"storage": "fast/x"}, {"target": "vm02?x"}]
)
def test_a_clone_with_an_odd_name_is_not_sent(
    stub: PveStub, gateway: Gateway, options: dict[str, object]
) -> None:
    with pytest.raises(PveBug, match="nothing was sent"):
        clone(gateway, **options)
    assert stub.requests == []


def test_a_refused_clone_names_template_and_vmid(stub: PveStub, gateway: Gateway) -> None:
    stub.on(
        "POST /nodes/vm01/qemu/9000/clone",
        failure(500, "unable to create VM 101: config file already exists"),
    )
    with pytest.raises(
        PveConflict, match="node vm01: clone template 9000 to VM 101: PVE answers 500: unable"
    ):
        clone(gateway)


def test_options_go_out_as_pve_wants_them(stub: PveStub, gateway: Gateway) -> None:
    stub.on(f"PUT {VM}/config", data(None))
    options = {
        "cores": 16,
        "onboot": False,
        "numa": True,
        "hostpci0": "mapping=gpu-a,pcie=1",
        "sshkeys": KEYS,
    }
    gateway.configure("vm01", 101, options, delete=["tags", "hostpci1"], digest="d" * 40)
    assert stub.last.parameters == {
        "cores": "16",
        "onboot": "0",
        "numa": "1",
        "hostpci0": "mapping=gpu-a,pcie=1",
        "sshkeys": "ssh-ed25519%20AAAA%2B%2F%3D%20me%40home%0Assh-rsa%20BBBB%20you%40home",
        "delete": "tags,hostpci1",
        "digest": "d" * 40,
    }
    assert options["sshkeys"] == KEYS


def test_only_what_is_asked_for_is_sent(stub: PveStub, gateway: Gateway) -> None:
    stub.on(f"PUT {VM}/config", data(None))
    gateway.configure("vm01", 101, {"cores": 2})
    assert stub.last.parameters == {"cores": "2"}


def test_a_configuration_that_was_edited_meanwhile(stub: PveStub, gateway: Gateway) -> None:
    stub.on(f"PUT {VM}/config", failure(500, "checksum mismatch (file change by other user?)"))
    with pytest.raises(PveConflict, match="configure VM 101"):
        gateway.configure("vm01", 101, {"cores": 2}, digest="d" * 40)


def test_an_odd_option_is_not_sent(stub: PveStub, gateway: Gateway) -> None:
    with pytest.raises(PveBug):
        gateway.configure("vm01", 101, {"Cores": 2})
    with pytest.raises(PveBug):
        gateway.configure("vm01", 101, {}, delete=["a,b"])
    assert stub.requests == []


def test_a_disk_grows_to_an_absolute_size(stub: PveStub, gateway: Gateway) -> None:
    stub.on(f"PUT {VM}/resize", data(UPID))
    assert gateway.resize("vm01", 101, "scsi0", 120) == UPID
    assert stub.last.parameters == {"disk": "scsi0", "size": "120G"}


def test_power(stub: PveStub, gateway: Gateway) -> None:
    for action in ("start", "shutdown", "stop"):
        stub.on(f"POST {VM}/status/{action}", data(UPID))
    gateway.start("vm01", 101, 517)
    gateway.shutdown("vm01", 101, 90)
    gateway.stop("vm01", 101)
    assert [seen.parameters for seen in stub.requests] == [
        {"timeout": "517"},
        {"timeout": "90", "forceStop": "0"},
        {"overrule-shutdown": "1"},
    ]


@pytest.mark.parametrize("unreferenced", [True, False])
def test_a_destroyed_vm_leaves_nothing(stub: PveStub, gateway: Gateway, unreferenced: bool) -> None:
    stub.on(f"DELETE {VM}", data(UPID))
    assert gateway.destroy("vm01", 101, unreferenced_disks=unreferenced) == UPID
    assert stub.last.parameters == {"purge": "1", "destroy-unreferenced-disks": str(int(unreferenced))}


@pytest.mark.parametrize("answer", [None, "OK", 7, {"upid": UPID}])
def test_an_answer_that_is_no_upid_is_not_taken_for_one(
    stub: PveStub, gateway: Gateway, answer: object
) -> None:
    stub.on(f"POST {VM}/status/start", data(answer))
    with pytest.raises(PveBug, match="start VM 101: the answer has not the expected shape"):
        gateway.start("vm01", 101, 30)


def test_a_file_in_the_guest(stub: PveStub, gateway: Gateway) -> None:
    stub.on(f"POST {VM}/agent/file-write", data(None))
    gateway.write_guest_file("vm01", 101, "/run/notice", "You have 120 s – save your work.\n")
    assert stub.last.parameters == {"file": "/run/notice", "content": "You have 120 s – save your work.\n"}


@pytest.mark.parametrize(("path", "content"), [("notice", "x"), ("/run/notice", "ä" * 40_000)])
def test_a_file_that_pve_would_refuse_is_not_sent(
    stub: PveStub, gateway: Gateway, path: str, content: str
) -> None:
    with pytest.raises(PveBug, match="nothing was sent"):
        gateway.write_guest_file("vm01", 101, path, content)
    assert stub.requests == []
