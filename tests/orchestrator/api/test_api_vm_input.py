"""POST /vms refuses what is wrong, field by field, and says where."""

import json
from typing import Any

import pytest
from sqlalchemy import delete

from orchestrator.catalog.models import Gpu, Node, Template, TemplateCopy

JSON = {"Content-Type": "application/json"}
MISSING = object()
PASSWORD = {"auth_method": "password", "password": "correct horse battery"}
RESERVED = {"rental_type": "reserved", "reservation_months": 3}

WRONG: list[tuple[dict[str, Any], str, str]] = [
    # node
    ({"node": MISSING}, "node", "Field required"),
    ({"node": None}, "node", "valid string"),
    ({"node": 1}, "node", "valid string"),
    ({"node": ""}, "node", "pattern"),
    ({"node": "vm99"}, "node", "There is no node vm99"),
    ({"node": "vm01\n"}, "node", "pattern"),
    ({"node": "../vm01"}, "node", "pattern"),
    ({"node": "v" * 64}, "node", "pattern"),
    ({"node": "vm01\u0000"}, "node", "pattern"),
    # gpu_type
    ({"gpu_type": MISSING}, "gpu_type", "Field required"),
    ({"gpu_type": 5090}, "gpu_type", "valid string"),
    ({"gpu_type": "9090"}, "gpu_type", "There is no GPU type 9090"),
    ({"gpu_type": "4090"}, "gpu_type", "has 0 GPUs of type 4090"),
    ({"gpu_type": "' OR 1=1"}, "gpu_type", "pattern"),
    # gpu_count
    ({"gpu_count": MISSING}, "gpu_count", "Field required"),
    ({"gpu_count": 0}, "gpu_count", "1, 2, 4 or 8"),
    ({"gpu_count": 3}, "gpu_count", "1, 2, 4 or 8"),
    ({"gpu_count": 16}, "gpu_count", "1, 2, 4 or 8"),
    ({"gpu_count": -1}, "gpu_count", "1, 2, 4 or 8"),
    ({"gpu_count": "1"}, "gpu_count", "1, 2, 4 or 8"),
    ({"gpu_count": 1.0}, "gpu_count", "whole number"),
    ({"gpu_count": True}, "gpu_count", "whole number"),
    ({"gpu_count": [1]}, "gpu_count", "1, 2, 4 or 8"),
    ({"node": "vm02", "gpu_count": 8}, "gpu_count", "has 4 GPUs of type 5090 in all"),
    # storage_gb
    ({"storage_gb": MISSING}, "storage_gb", "Field required"),
    ({"storage_gb": 49}, "storage_gb", "greater than or equal to 50"),
    ({"storage_gb": -50}, "storage_gb", "greater than or equal to 50"),
    ({"storage_gb": 65_537}, "storage_gb", "less than or equal to 65536"),
    ({"storage_gb": 10**30}, "storage_gb", "less than or equal to 65536"),
    ({"storage_gb": 50.5}, "storage_gb", "valid integer"),
    ({"storage_gb": "50"}, "storage_gb", "valid integer"),
    ({"storage_gb": True}, "storage_gb", "valid integer"),
    ({"storage_gb": 79, "template_vmid": 101}, "storage_gb", "needs at least 80 GB"),
    # template_vmid
    ({"template_vmid": MISSING}, "template_vmid", "Field required"),
    ({"template_vmid": 0}, "template_vmid", "greater than or equal to 1"),
    ({"template_vmid": 10**9}, "template_vmid", "less than or equal to 999999999"),
    ({"template_vmid": "100"}, "template_vmid", "valid integer"),
    ({"template_vmid": 999}, "template_vmid", "There is no template 999"),
    ({"node": "vm02", "template_vmid": 101}, "template_vmid", "no template 101 for node vm02"),
    # rental_type
    ({"rental_type": "spot"}, "rental_type", "'on_demand', 'reserved' or 'interruptible'"),
    ({"rental_type": None}, "rental_type", "'on_demand', 'reserved' or 'interruptible'"),
    ({"rental_type": ""}, "rental_type", "'on_demand', 'reserved' or 'interruptible'"),
    # reservation_months
    ({"rental_type": "reserved"}, "reservation_months", "is required for rental_type reserved"),
    ({**RESERVED, "reservation_months": 2}, "reservation_months", "1, 3 or 6"),
    ({**RESERVED, "reservation_months": True}, "reservation_months", "whole number"),
    ({**RESERVED, "reservation_months": 3.0}, "reservation_months", "whole number"),
    ({**RESERVED, "reservation_months": "3"}, "reservation_months", "1, 3 or 6"),
    ({"reservation_months": 3}, "reservation_months", "is only allowed for rental_type reserved"),
    (
        {"rental_type": "interruptible", "reservation_months": 3},
        "reservation_months",
        "is only allowed for rental_type reserved",
    ),
    # auth_method
    ({"auth_method": "token"}, "auth_method", "'ssh_key' or 'password'"),
    ({"auth_method": None}, "auth_method", "'ssh_key' or 'password'"),
    (
        {**PASSWORD, "template_vmid": 101, "storage_gb": 80},
        "auth_method",
        "does not support auth_method password",
    ),
    # ssh_key_id
    ({"ssh_key_id": 7}, "ssh_key_id", "valid string"),
    ({"ssh_key_id": "k" * 65}, "ssh_key_id", "at most 64 characters"),
    ({"ssh_key_id": "mine"}, "ssh_key_id", "is not a key id"),
    ({"ssh_key_id": "\u0000"}, "ssh_key_id", "is not a key id"),
    ({"ssh_key_id": "b4b1a7f2-6bb7-4b4a-8a36-111111111111"}, "ssh_key_id", "no such SSH key"),
    ({**PASSWORD, "ssh_key_id": "mine"}, "ssh_key_id", "is only allowed for auth_method ssh_key"),
    # password
    ({"auth_method": "password"}, "password", "is required for auth_method password"),
    ({"auth_method": "password", "password": None}, "password", "is required for auth_method password"),
    ({"auth_method": "password", "password": "elevenchars"}, "password", "at least 12"),
    ({"auth_method": "password", "password": "x" * 257}, "password", "at most 256"),
    ({"auth_method": "password", "password": 123456789012}, "password", "valid string"),
    ({"auth_method": "password", "password": "a line\nbreak in it"}, "password", "control characters"),
    ({"auth_method": "password", "password": "a nul \u0000 in it all"}, "password", "control characters"),
    ({"auth_method": "password", "password": "half a pair \ud800"}, "password", ""),
    ({"password": "correct horse battery"}, "password", "is only allowed for auth_method password"),
    # anything else
    ({"gpus": 1}, "gpus", "Extra inputs are not permitted"),
    ({"pasword": "correct horse battery"}, "pasword", "Extra inputs are not permitted"),
    ({"instance_label": "mine"}, "instance_label", "Extra inputs are not permitted"),
]


@pytest.fixture
def catalog(seed: Any) -> Any:
    """Beside the small catalog: a template for keys alone that needs 80 GB, on vm01 only; vm02 has 4 GPUs."""
    with seed.database.transaction() as tx:
        tx.add(
            Template(
                vmid=101,
                name="keys-only",
                description="",
                disk="scsi0",
                disk_gb=80,
                login_user="ubuntu",
                auth_methods=["ssh_key"],
            )
        )
        tx.flush()
        tx.add(TemplateCopy(template_vmid=101, node_id="vm01", pve_vmid=9101, pve_node="vm01"))
        tx.execute(delete(Gpu).where(Gpu.node_id == "vm02", Gpu.mapping >= "gpu-vm02-4"))
    return seed


def test_each_field_refuses_what_is_wrong(catalog, caller, subtests):
    """One table on one server: nothing of it changes anything."""
    for changes, field, fragment in WRONG:
        with subtests.test(changes=repr(changes)):
            body = {k: v for k, v in catalog.body(**changes).items() if v is not MISSING}
            answer = caller("POST", "/vms", content=json.dumps(body), headers=JSON)
            assert answer.status_code == 422, answer.text
            told = answer.json()
            assert told["code"] == "validation_error"
            assert [item["loc"] for item in told["detail"]] == [["body", field]]
            assert fragment in told["detail"][0]["msg"]
            assert set(told["detail"][0]) == {"type", "loc", "msg"}
            assert "correct horse" not in answer.text
    assert caller("GET", "/vms").json() == []
    assert not catalog.bell.rung


def test_all_wrong_fields_are_told_at_once(seed, caller):
    answer = caller("POST", "/vms", json={"node": "", "gpu_count": 3})
    assert [item["loc"][1] for item in answer.json()["detail"]] == [
        "node",
        "gpu_type",
        "gpu_count",
        "storage_gb",
        "template_vmid",
    ]


NO_OBJECTS = [
    (b"", "application/json", 422, "missing"),
    (b"{", "application/json", 422, "json_invalid"),
    (b'{"node": "vm01"', "application/json", 422, "json_invalid"),
    (b"[]", "application/json", 422, "model_attributes_type"),
    (b"null", "application/json", 422, "model_attributes_type"),
    (b'"vm01"', "application/json", 422, "model_attributes_type"),
    (b"node=vm01", "application/x-www-form-urlencoded", 422, "model_attributes_type"),
]


def test_a_body_that_is_no_object_is_refused(caller, subtests):
    for content, content_type, status, kind in NO_OBJECTS:
        with subtests.test(content=repr(content)):
            answer = caller("POST", "/vms", content=content, headers={"Content-Type": content_type})
            assert answer.status_code == status
            assert answer.json()["detail"][0]["type"] == kind


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"\xff", 400, "bad_request"),
        (b"[" * 60_000, 400, "bad_request"),
        (b'{"node": "' + b"v" * 70_000 + b'"}', 413, "payload_too_large"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(caller, content, status, code):
    answer = caller("POST", "/vms", content=content, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_chunked_body_is_bounded_too(caller):
    answer = caller("POST", "/vms", content=(b" " * 10_000 for _ in range(10)))
    assert answer.status_code == 413


def test_not_a_number_is_no_number(caller, seed):
    content = b'{"node":"vm01","gpu_type":"5090","gpu_count":1,"storage_gb":NaN,"template_vmid":Infinity}'
    answer = caller("POST", "/vms", content=content, headers=JSON)
    assert answer.status_code == 422
    assert [item["loc"][1] for item in answer.json()["detail"]] == ["storage_gb", "template_vmid"]


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb", "naïve"])
def test_an_idempotency_key_is_printable_and_short(caller, seed, key):
    answer = caller("POST", "/vms", json=seed.body(), headers={"Idempotency-Key": key.encode("latin-1")})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["header", "Idempotency-Key"]


def test_a_drained_node_takes_nothing_new(caller, seed):
    with seed.database.transaction() as tx:
        tx.get_one(Node, "vm01").state = "draining"
    answer = caller("POST", "/vms", json=seed.body())
    assert answer.status_code == 409
    assert answer.json()["code"] == "state_conflict"
    assert answer.json()["node"] == "vm01"


def test_an_account_without_a_key_is_told_to_add_one(make_caller, seed):
    answer = make_caller("new@example.org")("POST", "/vms", json=seed.body())
    assert answer.status_code == 422
    assert answer.json()["detail"] == [
        {
            "type": "value_error",
            "loc": ["body", "ssh_key_id"],
            "msg": "This account has no SSH key yet; POST /ssh-keys adds one.",
        }
    ]
