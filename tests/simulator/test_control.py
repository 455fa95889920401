"""The control interface and the page."""

from typing import Any

import pytest
import requests

from tests.simulator.lab import NODE, TEMPLATE, Lab, eventually


def _control(lab: Lab, method: str, path: str, body: Any = None) -> Any:
    answer = lab.request(method, f"/sim{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_it_is_closed_without_a_token(lab: Lab) -> None:
    assert requests.get(f"{lab.sim.url}/sim/state", verify=lab.sim.ca_path, timeout=5).status_code == 401


def test_faults_are_armed_listed_and_cleared(lab: Lab) -> None:
    number = _control(lab, "POST", "/faults", {"name": "server_error", "path": "/version", "times": 2})[
        "number"
    ]
    assert lab.request("GET", "/version").status_code == 500
    assert [(f["number"], f["struck"]) for f in _control(lab, "GET", "/faults")] == [(number, 1)]
    assert _control(lab, "GET", "/hits")[0]["fault"]["name"] == "server_error"
    assert _control(lab, "DELETE", f"/faults/{number}") is True
    assert lab.request("GET", "/version").status_code == 200
    _control(lab, "POST", "/faults", {"name": "server_error"})
    _control(lab, "DELETE", "/faults")
    assert _control(lab, "GET", "/faults") == []
    assert _control(lab, "GET", "/catalogue")["node_down"]["moment"] == "event"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/faults", {"name": "nonsense"}, 400),
        ("POST", "/faults", {"nonsense": 1}, 400),
        ("POST", "/nodes/vm77/down", None, 400),
        ("GET", "/nonsense", None, 404),
    ],
)
def test_mistakes_are_told(lab: Lab, method: str, path: str, body: Any, status: int) -> None:
    answer = lab.request(method, f"/sim{path}", json=body)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_events(lab: Lab) -> None:
    lab.make(200)
    lab.start(200)
    _control(lab, "POST", "/vms/200/lock", {"lock": "backup"})
    assert lab.sim.vm(200).lock == "backup"  # type: ignore[union-attr]
    _control(lab, "POST", "/vms/200/lock", {"lock": None})
    _control(lab, "POST", "/vms/200/kill")
    assert lab.vm(200).status.current.get()["status"] == "stopped"
    _control(lab, "POST", "/vms/200/move", {"node": "vm02"})
    assert lab.sim.vm(200).node == "vm02"  # type: ignore[union-attr]
    _control(lab, "POST", "/vms", {"node": NODE, "vmid": 150, "running": True, "gpus": ["gpu-vm01-0"]})
    assert lab.sim.node(NODE).reservations["0000:01:00.0"].vmid == 150
    _control(lab, "POST", f"/nodes/{NODE}/gpus/0000:01:00", {"missing": True})
    assert lab.sim.node(NODE).devices["0000:01:00.0"].missing
    _control(lab, "POST", f"/nodes/{NODE}/clock", {"seconds": 60})
    assert lab.sim.node(NODE).clock_skew == 60
    _control(lab, "DELETE", f"/nodes/{NODE}/tasks")
    assert lab.node.tasks.get() == []
    _control(lab, "POST", "/quorum", {"quorate": False})
    assert lab.request("PUT", f"/nodes/{NODE}/qemu/{TEMPLATE}/config", data={"cores": 1}).status_code == 500
    _control(lab, "POST", f"/nodes/{NODE}/down")
    assert not lab.sim.node(NODE).online
    _control(lab, "POST", f"/nodes/{NODE}/up")
    _control(lab, "POST", f"/nodes/{NODE}/reboot", {"away": 10})
    eventually(lambda: lab.sim.node(NODE).online)


def test_the_page_shows_nodes_cards_vms_and_tasks(lab: Lab) -> None:
    lab.make(200, name="shown-here", hostpci0="mapping=gpu-vm01-0")
    lab.start(200)
    lab.sim.node_down("vm02")
    page = requests.get(f"{lab.sim.url}/", verify=lab.sim.ca_path, timeout=5).text
    for part in ("shown-here", "NVIDIA GeForce RTX 5090", ">200<", "qmstart", "offline"):
        assert part in page
    assert lab.sim.token_secret not in page


def test_state_and_requests_can_be_read(lab: Lab) -> None:
    state = _control(lab, "GET", "/state")
    assert [node["name"] for node in state["nodes"]] == ["vm01", "vm02"]
    assert {vm["vmid"] for vm in state["vms"]} == {9100, 9101, 9200, 9201}
    lab.request("GET", "/version")
    assert _control(lab, "GET", "/requests")[-1]["path"] == "/version"
