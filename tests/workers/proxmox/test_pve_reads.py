"""The questions: paths, parameters, and what is made of the answers."""

from typing import Any

import pytest
from pve_stub import UPID, PveStub, Reply, Request, data, failure

from orchestrator.errors import (
    PveAgentSilent,
    PveBug,
    PveConflict,
    PveDenied,
    PveError,
    PveNoAccess,
    PveNotHere,
    PveTransient,
    PveUnreachable,
)
from workers.proxmox import Gateway, TaskState
from workers.proxmox.reads import LOG_LINES

VM = "/nodes/vm01/qemu/101"
TASK = f"/nodes/pve1/tasks/{UPID}"
MAC = "BC:24:11:6D:79:74"


def test_a_configuration(stub: PveStub, gateway: Gateway) -> None:
    stub.on(f"GET {VM}/config", data({"digest": "abc", "name": "gpu-1", "memory": "2048"}))
    config = gateway.vm_config("vm01", 101)
    assert (config.name, config.digest, config.memory_mib) == ("gpu-1", "abc", 2048)


def test_a_vm_that_is_not_on_that_node(stub: PveStub, gateway: Gateway) -> None:
    stub.on(
        f"GET {VM}/config",
        failure(500, "Configuration file 'nodes/vm01/qemu-server/101.conf' does not exist"),
    )
    with pytest.raises(
        PveNotHere, match="cluster lab, node vm01: read the configuration of VM 101: PVE answers 500"
    ):
        gateway.vm_config("vm01", 101)


@pytest.mark.parametrize(
    ("nextid", "kind"),
    [
        (data("101"), PveNotHere),
        (failure(400, "Parameter verification failed.", {"vmid": "VM 101 already exists"}), PveDenied),
        (Reply(status=401, reason="No ticket", body=b""), PveNoAccess),
    ],
)
def test_a_vm_that_a_token_of_a_pool_may_not_see(
    stub: PveStub, gateway: Gateway, nextid: Reply, kind: type[PveError]
) -> None:
    refusal = failure(403, "Permission check failed (/vms/101, VM.Audit)")
    stub.on("GET /cluster/nextid", nextid)
    stub.on(f"GET {VM}/config", refusal)
    stub.on(f"GET {VM}/status/current", refusal)
    for read in (gateway.vm_config, gateway.vm_status):
        with pytest.raises(PveError) as refused:
            read("vm01", 101)
        assert type(refused.value) is kind


def test_a_status(stub: PveStub, gateway: Gateway) -> None:
    stub.on(f"GET {VM}/status/current", data({"status": "running", "uptime": 3, "pid": 77}))
    status = gateway.vm_status("vm01", 101)
    assert (status.running, status.uptime_seconds, status.pid) == (True, 3, 77)


@pytest.mark.parametrize("node", ["../../access", "vm01?x=", ""])
def test_a_bad_node_name_is_not_sent(stub: PveStub, gateway: Gateway, node: str) -> None:
    with pytest.raises(PveBug):
        gateway.vm_status(node, 101)
    with pytest.raises(PveBug):
        gateway.vm_status("vm01", 99)
    assert stub.requests == []


@pytest.mark.parametrize(
    ("reply", "in_use"),
    [
        (data("101"), False),
        (failure(400, "Parameter verification failed.", {"vmid": "VM 101 already exists"}), True),
    ],
)
def test_whether_a_vmid_is_in_use(stub: PveStub, gateway: Gateway, reply: Reply, in_use: bool) -> None:
    stub.on("GET /cluster/nextid", reply)
    assert gateway.vmid_in_use(101) is in_use
    assert stub.last.parameters == {"vmid": "101"}


def test_another_refusal_of_a_vmid_says_nothing_about_its_use(stub: PveStub, gateway: Gateway) -> None:
    stub.on("GET /cluster/nextid", failure(400, "Parameter verification failed.", {"vmid": "too odd"}))
    with pytest.raises(PveBug):
        gateway.vmid_in_use(101)


def test_where_a_vm_is(stub: PveStub, gateway: Gateway) -> None:
    stub.on(
        "GET /cluster/resources", data([{"type": "qemu", "vmid": 101, "node": "vm02", "status": "unknown"}])
    )
    assert gateway.locate(101) == "vm02"
    assert gateway.locate(102) is None
    assert stub.last.parameters == {"type": "vm"}


def test_all_that_a_cluster_has(stub: PveStub, gateway: Gateway) -> None:
    rows = [
        {"type": "node", "node": "vm01", "status": "online", "uptime": 7},
        {"type": "qemu", "vmid": 101, "node": "vm01", "status": "stopped", "name": "gpu-1"},
    ]
    stub.on("GET /cluster/resources", data(rows))
    seen = gateway.resources()
    assert (seen.nodes["vm01"].uptime_seconds, seen.guests[101].status) == (7, "stopped")
    assert stub.last.parameters == {}


@pytest.mark.parametrize(
    ("rows", "quorate"),
    [
        ([{"type": "cluster", "quorate": 1}, {"type": "node", "online": 1}], True),
        ([{"type": "cluster", "quorate": 0}, {"type": "node", "online": 1}], False),
        ([{"type": "node", "online": 1}], True),
    ],
)
def test_the_quorum(stub: PveStub, gateway: Gateway, rows: list[Any], quorate: bool) -> None:
    stub.on("GET /cluster/status", data(rows))
    assert gateway.cluster_quorate() is quorate


def test_the_disks_on_a_storage_and_whose_they_are(stub: PveStub, gateway: Gateway) -> None:
    stub.on(
        "GET /nodes/vm01/storage/fast/content",
        data([{"volid": "fast:vm-101-disk-0", "vmid": 101}, {"volid": "fast:stray"}]),
    )
    assert gateway.storage_volumes("vm01", "fast") == {"fast:vm-101-disk-0": 101}
    assert stub.last.parameters == {"content": "images"}


def test_problems_of_mappings_missing_ones_included(stub: PveStub, gateway: Gateway) -> None:
    rows = [
        {"id": "gpu-good", "checks": []},
        {"id": "gpu-stale", "checks": [{"severity": "error", "message": "'id' does not match\n"}]},
        {"id": "gpu-elsewhere", "checks": [{"severity": "warning", "message": "No mapping for node vm01."}]},
        {"id": "gpu-of-others", "checks": [{"severity": "error", "message": "broken"}]},
    ]
    stub.on("GET /cluster/mapping/pci", data(rows))
    problems = gateway.mapping_problems("vm01", ["gpu-good", "gpu-stale", "gpu-elsewhere", "gpu-none"])
    assert stub.last.parameters == {"check-node": "vm01"}
    assert problems == {
        "gpu-stale": ("'id' does not match",),
        "gpu-elsewhere": ("No mapping for node vm01.",),
        "gpu-none": ("the cluster has no such PCI mapping, or the token may not use it",),
    }


def test_the_devices_behind_mappings(stub: PveStub, gateway: Gateway) -> None:
    rows = [
        {
            "id": "gpu-a",
            "map": ["node=vm01,path=0000:81:00,id=10de:2b85", "node=vm02,path=0000:01:00,id=10de:2b85"],
        },
        {"id": "gpu-b", "map": ["node=vm01,path=0000:c1:00.0;0000:c1:00.1,id=10de:2684"]},
        {"id": "gpu-elsewhere", "map": ["node=vm02,path=0000:02:00,id=10de:2b85"]},
        {"id": "gpu-of-others", "map": ["node=vm01,path=0000:03:00,id=10de:2b85"]},
    ]
    stub.on("GET /cluster/mapping/pci", data(rows))
    assert gateway.mapping_addresses("vm01", ["gpu-a", "gpu-b", "gpu-elsewhere", "gpu-none"]) == {
        "gpu-a": ("0000:81:00",),
        "gpu-b": ("0000:c1:00", "0000:c1:00"),
        "gpu-elsewhere": (),
    }


def agent(stub: PveStub, reply: Reply) -> None:
    stub.on(f"GET {VM}/agent/network-get-interfaces", reply)


def test_the_addresses_of_a_guest(stub: PveStub, gateway: Gateway) -> None:
    eth0 = {"name": "eth0", "hardware-address": MAC.lower(), "ip-addresses": [{"ip-address": "10.0.0.5"}]}
    agent(stub, data({"result": [eth0]}))
    assert gateway.guest_addresses("vm01", 101, MAC) == ("10.0.0.5",)


@pytest.mark.parametrize(
    "reply",
    [
        failure(500, "QEMU guest agent is not running"),
        failure(500, "VM 101 qga command 'guest-network-get-interfaces' failed - got timeout"),
        data({"result": {"error": {"class": "GenericError", "desc": "not now"}}}),
        data({"result": None}),
    ],
)
def test_an_agent_that_is_not_there_yet(stub: PveStub, gateway: Gateway, reply: Reply) -> None:
    agent(stub, reply)
    with pytest.raises(PveAgentSilent, match="ask the agent for the addresses of VM 101"):
        gateway.guest_addresses("vm01", 101, MAC)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (failure(500, "No QEMU guest agent configured"), PveBug),
        (failure(500, "VM 101 is not running"), PveConflict),
        (
            data(
                {"result": {"error": {"class": "CommandNotFound", "desc": "The command has been disabled"}}}
            ),
            PveBug,
        ),
        (data({"result": [{"hardware-address": MAC}]}), PveBug),
    ],
)
def test_an_agent_that_will_not_come(
    stub: PveStub, gateway: Gateway, reply: Reply, kind: type[Exception]
) -> None:
    agent(stub, reply)
    with pytest.raises(kind):
        gateway.guest_addresses("vm01", 101, MAC)


def test_a_task_is_asked_of_the_node_in_its_upid(stub: PveStub, gateway: Gateway) -> None:
    stub.on(f"GET {TASK}/status", data({"status": "stopped", "exitstatus": "OK"}))
    assert gateway.task(UPID) == TaskState(running=False, exitstatus="OK")


@pytest.mark.parametrize("said", ["no such task", "unable to parse worker upid"])
def test_a_task_that_is_not_known_has_vanished(stub: PveStub, gateway: Gateway, said: str) -> None:
    refusal = failure(400, "Parameter verification failed.", {"upid": said})
    stub.on(f"GET {TASK}/status", refusal)
    stub.on(f"GET {TASK}/log", refusal)
    assert gateway.task(UPID) == TaskState(running=False, vanished=True)
    assert gateway.task_log(UPID) == ()


def test_a_task_of_a_node_that_is_down_has_not_vanished(stub: PveStub, gateway: Gateway) -> None:
    stub.on(f"GET {TASK}/status", Reply(status=595, reason="No route to host", body=b""))
    with pytest.raises(PveUnreachable):
        gateway.task(UPID)


def test_what_is_no_upid_is_not_asked_for(stub: PveStub, gateway: Gateway) -> None:
    with pytest.raises(PveBug):
        gateway.task("../../version")
    assert stub.requests == []


def a_log(lines: list[str]) -> Any:
    def page(request: Request) -> Reply:
        start, limit = int(request.parameters["start"]), int(request.parameters["limit"])
        rows = [{"n": start + i + 1, "t": text} for i, text in enumerate(lines[start : start + limit])]
        return data(rows, total=len(lines))

    return page


@pytest.mark.parametrize(("length", "calls"), [(0, 1), (3, 1), (LOG_LINES, 1), (LOG_LINES + 7, 2)])
def test_the_end_of_a_log(stub: PveStub, gateway: Gateway, length: int, calls: int) -> None:
    lines = [f"line {i}" for i in range(length)]
    stub.answers[f"GET {TASK}/log"] = a_log(lines)
    assert gateway.task_log(UPID) == tuple(lines[-LOG_LINES:])
    assert len(stub.requests) == calls


def _upid(number: int) -> str:
    return f"UPID:vm01:0000{number:04X}:00051FF7:6B0443D3:qmclone:9000:innkeeper@pve!orch:"


def test_the_tasks_that_run_on_a_vm(stub: PveStub, gateway: Gateway) -> None:
    start, resize = (UPID.replace("qmclone:9000", task) for task in ("qmstart:101", "resize:101"))
    rows = [
        {"upid": start, "type": "qmstart", "status": "RUNNING"},
        {"upid": resize, "type": "resize", "status": "OK"},
    ]
    stub.on("GET /nodes/vm01/tasks", data(rows))
    assert gateway.active_tasks("vm01", 101) == {"qmstart": start}
    assert stub.last.parameters == {"source": "active", "vmid": "101"}


def test_a_running_clone_is_found_by_the_first_line_of_its_log(stub: PveStub, gateway: Gateway) -> None:
    rows = [{"upid": _upid(i), "type": "qmclone", "status": "RUNNING", "id": "9000"} for i in (1, 2, 3)]
    rows += [
        {"upid": _upid(4), "type": "qmclone", "status": "OK"},
        {"upid": UPID, "type": "qmstart", "status": "RUNNING"},
    ]
    stub.on("GET /nodes/vm01/tasks", data(rows))
    stub.on(f"GET /nodes/vm01/tasks/{_upid(1)}/log", failure(400, "No.", {"upid": "no such task"}))
    stub.answers[f"GET /nodes/vm01/tasks/{_upid(2)}/log"] = a_log(
        ["creating a clone of VM 9000 with ID 1011"]
    )
    stub.answers[f"GET /nodes/vm01/tasks/{_upid(3)}/log"] = a_log(
        ["creating a clone of VM 9000 with ID 101", "0 %"]
    )
    assert gateway.find_clone_task("vm01", 101) == _upid(3)
    assert stub.requests[0].parameters == {"source": "active", "typefilter": "qmclone"}
    assert gateway.find_clone_task("vm01", 9000) is None


def test_a_clone_that_has_not_named_its_vm_leaves_the_question_open(stub: PveStub, gateway: Gateway) -> None:
    rows = [{"upid": _upid(i), "type": "qmclone", "status": "RUNNING"} for i in (1, 2)]
    stub.on("GET /nodes/vm01/tasks", data(rows))
    stub.answers[f"GET /nodes/vm01/tasks/{_upid(1)}/log"] = a_log([])
    stub.answers[f"GET /nodes/vm01/tasks/{_upid(2)}/log"] = a_log(["creating a clone of VM 9000 with ID 102"])
    assert gateway.find_clone_task("vm01", 102) == _upid(2)
    with pytest.raises(PveTransient, match=f"clone task of VM 101: task {_upid(1)} has not said yet"):
        gateway.find_clone_task("vm01", 101)
