"""Tasks: lists, logs, and what a node no longer knows."""

from typing import Any

import pytest

from simulator.state.nodes import Node
from simulator.tasks.board import KEPT_PER_NODE
from simulator.tasks.upid import Upid, parse_upid
from tests.simulator.conftest import MakeLab
from tests.simulator.lab import NODE, TEMPLATE, Lab, eventually, refusal

STRANGER = "UPID:vm01:0000FFFF:00000001:6B040000:qmclone:9000:innkeeper@pve!orchestrator:"


def test_a_upid_is_read_and_written_alike() -> None:
    upid = Upid("vm01", 1459, 246306, 1795440724, "qmclone", "9000", "a@pve!t1")
    assert str(upid) == "UPID:vm01:000005B3:0003C222:6B044054:qmclone:9000:a@pve!t1:"
    assert parse_upid(str(upid)) == upid
    assert parse_upid("UPID:garbage") is None


def test_status_names_user_and_token_apart(lab: Lab) -> None:
    upid = lab.vm(TEMPLATE).status.start.post()
    lab.end(upid)
    status = lab.node.tasks(upid).status.get()
    assert (status["user"], status["tokenid"], status["type"], status["id"]) == (
        "innkeeper@pve",
        "orchestrator",
        "qmstart",
        str(TEMPLATE),
    )
    assert status["status"] == "stopped"


@pytest.mark.parametrize(
    ("upid", "problem"),
    [(STRANGER, "no such task"), ("UPID:garbage", "unable to parse worker upid")],
)
def test_a_task_that_is_not_known(lab: Lab, upid: str, problem: str) -> None:
    assert refusal(lambda: lab.node.tasks(upid).status.get()).errors == {"upid": problem}


def test_a_log_that_is_gone_says_so_in_its_line(lab: Lab) -> None:
    lines = lab.node.tasks(STRANGER).log.get()
    assert lines == [{"n": 1, "t": "unable to open file - No such file or directory"}]


def test_a_log_is_read_in_pages(lab: Lab) -> None:
    upid = lab.vm(TEMPLATE).clone.post(newid=200, pool="innkeeper", full=1)
    lab.end(upid)
    first = lab.request("GET", f"/nodes/{NODE}/tasks/{upid}/log").json()
    assert (len(first["data"]), first["total"] > 50) == (50, True)
    second = lab.request("GET", f"/nodes/{NODE}/tasks/{upid}/log?start=1&limit=2").json()
    assert [line["n"] for line in second["data"]] == [2, 3]


def test_lists_are_filtered(lab: Lab) -> None:
    lab.make(200)
    assert lab.start(200) == "OK"
    assert lab.start(200) == "VM 200 already running"
    tasks = lab.node.tasks.get
    assert [task["type"] for task in tasks()] == ["qmstart", "qmstart", "qmclone"]
    assert [task["status"] for task in tasks(errors=1)] == ["VM 200 already running"]
    assert len(tasks(vmid=200)) == 2
    assert len(tasks(typefilter="qmclone")) == 1
    assert len(tasks(statusfilter="ok")) == 2
    assert len(tasks(limit=1, start=1)) == 1
    assert tasks(source="active") == []
    assert len(lab.api.cluster.tasks.get()) == 3


def test_running_tasks_are_in_the_active_list(make_lab: MakeLab) -> None:
    lab = make_lab(time_scale=0.05)
    lab.vm(TEMPLATE).clone.post(newid=200, pool="innkeeper", full=1)
    active = eventually(lambda: lab.node.tasks.get(source="active"))
    assert (active[0]["status"], active[0]["user"]) == ("RUNNING", "innkeeper@pve!orchestrator")


def test_a_node_forgets(lab: Lab) -> None:
    upid = lab.vm(TEMPLATE).status.start.post()
    lab.end(upid)
    lab.sim.forget_tasks(NODE)
    assert refusal(lambda: lab.node.tasks(upid).status.get()).errors == {"upid": "no such task"}


def test_a_node_remembers_the_last_thousand(lab: Lab) -> None:
    async def nothing(_job: Any) -> None:
        pass

    def start_many(server: Any) -> None:
        node: Node = server.cluster.nodes[NODE]
        for _ in range(KEPT_PER_NODE + 20):
            server.world.tasks.start(node, "test", "1", "innkeeper@pve!orchestrator", nothing)

    lab.sim.call(start_many)
    eventually(lambda: not any(task.is_running for task in lab.sim.tasks()))
    assert len(lab.sim.tasks()) == KEPT_PER_NODE


def test_a_skewed_clock_shows_in_new_tasks(lab: Lab) -> None:
    lab.sim.set_clock_skew(NODE, 3600)
    skewed, straight = parse_upid(lab.vm(TEMPLATE).status.start.post()), lab.node.time.get()
    assert skewed is not None
    assert abs(skewed.starttime - straight["time"]) <= 1
    other = parse_upid(lab.api.nodes("vm02").qemu(9200).status.start.post())
    assert other is not None
    assert skewed.starttime - other.starttime > 3000
