"""How answers look on the wire."""

import time

import pytest
import requests

from simulator.http.service import NO_ADDRESS
from tests.simulator.conftest import MakeLab
from tests.simulator.lab import TEMPLATE, Lab

NO_INTEGER = "type check ('integer') failed"
CONFIG = f"/nodes/vm01/qemu/{TEMPLATE}/config"


def test_success_is_wrapped_in_data(lab: Lab) -> None:
    assert set(lab.request("GET", "/version").json()) == {"data"}


def test_a_death_is_500_with_its_text_in_reason_and_message(lab: Lab) -> None:
    answer = lab.request("GET", "/nodes/vm01/qemu/777/status/current")
    text = "Permission check failed (/vms/777, VM.Audit)"
    assert (answer.status_code, answer.reason) == (403, text)
    assert answer.json() == {"data": None, "message": f"{text}\n"}


def test_refused_parameters_are_named(lab: Lab) -> None:
    answer = lab.request("PUT", CONFIG, data={"cores": 0, "memory": "lots", "bogus": 1})
    assert (answer.status_code, answer.reason) == (400, "Parameter verification failed.")
    assert answer.json()["errors"] == {
        "cores": "value must have a minimum value of 1",
        "memory": f"invalid format - format error\nmemory.current: {NO_INTEGER} - got 'lots'\n",
        "bogus": "property is not defined in schema and the schema does not allow additional properties",
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/nope", 501, "Method 'GET /nope' not implemented"),
        ("POST", "/version", 501, "Method 'POST /version' not implemented"),
        ("PATCH", CONFIG, 501, "method 'PATCH' not available"),
        ("GET", "/nodes/VM01/qemu", 595, "Connection refused"),
        (
            "GET",
            "/nodes/vm77/qemu",
            500,
            NO_ADDRESS.format("vm77"),
        ),
    ],
)
def test_what_is_not_there(lab: Lab, method: str, path: str, status: int, reason: str) -> None:
    answer = lab.request(method, path)
    assert (answer.status_code, answer.reason) == (status, reason)


def test_errors_of_the_proxy_have_no_body(lab: Lab) -> None:
    assert lab.request("GET", "/nodes/VM01/qemu").content == b""


def test_the_connection_is_closed_after_an_error_and_kept_after_success(lab: Lab) -> None:
    assert lab.request("GET", "/nope").headers["Connection"] == "close"
    assert "Connection" not in lab.request("GET", "/version").headers


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "No ticket"),
        ({"Authorization": "PVEAPIToken=x"}, "Authentication failed!"),
        ({"Authorization": "PVEAPIToken=innkeeper@pve!orchestrator=wrong"}, "Authentication failed!"),
        ({"Cookie": "PVEAuthCookie=PVE:root@pam:00000000::forged"}, "Authentication failed!"),
    ],
)
def test_401_is_slow_and_empty(make_lab: MakeLab, headers: dict[str, str], reason: str) -> None:
    sim = make_lab(time_scale=0.05).sim
    began = time.monotonic()
    answer = requests.get(f"{sim.url}/api2/json/nodes", headers=headers, verify=sim.ca_path, timeout=5)
    assert (answer.status_code, answer.reason, answer.content) == (401, reason, b"")
    assert time.monotonic() - began >= 0.15


def test_json_bodies_are_read_and_may_hold_booleans(lab: Lab) -> None:
    assert lab.request("PUT", CONFIG, json={"onboot": True, "cores": 3}).status_code == 200
    shown = lab.vm(TEMPLATE).config.get()
    assert (shown["onboot"], shown["cores"]) == (1, 3)


def test_form_booleans_are_zero_or_one(lab: Lab) -> None:
    answer = lab.request("PUT", CONFIG, data={"onboot": True})
    assert answer.json()["errors"] == {"onboot": "type check ('boolean') failed - got 'True'"}


def test_other_bodies_are_refused(lab: Lab) -> None:
    odd = lab.request("PUT", CONFIG, data="cores=1", headers={"Content-Type": "text/plain"})
    assert (odd.status_code, odd.text) == (506, "upload 'Content-Type 'text/plain' not implemented")
    broken = lab.request("PUT", CONFIG, data='{"cores":', headers={"Content-Type": "application/json"})
    assert broken.status_code == 500
    assert broken.text.startswith("malformed JSON string")


def test_a_trailing_slash_and_percent_encoding_do_not_matter(lab: Lab) -> None:
    upid = lab.request("POST", f"{CONFIG}/", data={"cores": 2}).json()["data"]
    encoded = upid.replace(":", "%3A").replace("@", "%40").replace("!", "%21")
    assert lab.request("GET", f"/nodes/vm01/tasks/{encoded}/status").json()["data"]["upid"] == upid


def test_the_request_log_hides_secrets(lab: Lab) -> None:
    lab.vm(TEMPLATE).config.put(cipassword="hush", ciuser="ada")
    put = next(request for request in lab.sim.requests if request.method == "PUT")
    assert put.parameters == {"cipassword": "<redacted>", "ciuser": "ada"}
    assert put.status == 200
