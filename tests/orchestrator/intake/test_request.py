"""Every rule of the request that needs no database."""

from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.intake.request import VmRequest

GOOD: dict[str, Any] = {
    "node": "vm01",
    "gpu_type": "5090",
    "gpu_count": 2,
    "storage_gb": 50,
    "template_vmid": 100,
}
PASSWORD = {"auth_method": "password", "password": "correct horse"}
RESERVED = {"rental_type": "reserved", "reservation_months": 3}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"gpu_count": 8},
        {"storage_gb": 65_536},
        {"rental_type": "interruptible"},
        RESERVED,
        PASSWORD,
        {"ssh_key_id": "0b9cf7c4-0000-0000-0000-000000000000"},
        {"reservation_months": None, "password": None, "ssh_key_id": None},
        {"auth_method": "password", "password": "pässwörd mit ümläuten"},
    ],
)
def test_accepted(change: dict[str, Any]) -> None:
    VmRequest(**{**GOOD, **change})


@pytest.mark.parametrize(
    ("change", "field", "fragment"),
    [
        ({"node": ""}, "node", "match pattern"),
        ({"node": "../../access"}, "node", "match pattern"),
        ({"node": 1}, "node", "valid string"),
        ({"gpu_type": "50 90"}, "gpu_type", "match pattern"),
        ({"gpu_count": 3}, "gpu_count", "1, 2, 4 or 8"),
        ({"gpu_count": 0}, "gpu_count", "1, 2, 4 or 8"),
        ({"gpu_count": True}, "gpu_count", "whole number"),
        ({"gpu_count": 1.0}, "gpu_count", "whole number"),
        ({"gpu_count": "1"}, "gpu_count", "1, 2, 4 or 8"),
        ({"storage_gb": 49}, "storage_gb", "greater than or equal to 50"),
        ({"storage_gb": 65_537}, "storage_gb", "less than or equal"),
        ({"storage_gb": 50.5}, "storage_gb", "valid integer"),
        ({"template_vmid": 0}, "template_vmid", "greater than or equal to 1"),
        ({"template_vmid": "100"}, "template_vmid", "valid integer"),
        ({"rental_type": "spot"}, "rental_type", "'on_demand', 'reserved' or 'interruptible'"),
        ({"rental_type": "reserved"}, "reservation_months", "is required for rental_type reserved"),
        ({"rental_type": "reserved", "reservation_months": 2}, "reservation_months", "1, 3 or 6"),
        ({"reservation_months": 3}, "reservation_months", "only allowed for rental_type reserved"),
        ({"rental_type": "reserved", "reservation_months": True}, "reservation_months", "whole number"),
        ({"auth_method": "telnet"}, "auth_method", "'ssh_key' or 'password'"),
        ({"auth_method": "password"}, "password", "is required for auth_method password"),
        ({"auth_method": "password", "password": "elevenchars"}, "password", "at least 12"),
        ({"auth_method": "password", "password": "x" * 257}, "password", "at most 256"),
        ({"auth_method": "password", "password": "correct\nhorse!"}, "password", "control characters"),
        ({"password": "correct horse"}, "password", "only allowed for auth_method password"),
        ({**PASSWORD, "ssh_key_id": "x"}, "ssh_key_id", "only allowed for auth_method ssh_key"),
        ({"ssh_key_id": "x" * 65}, "ssh_key_id", "at most 64"),
        ({"gpucount": 4}, "gpucount", "Extra inputs are not permitted"),
    ],
)
def test_refused_with_the_field_and_the_reason(change: dict[str, Any], field: str, fragment: str) -> None:
    with pytest.raises(ValidationError) as refused:
        VmRequest(**{**GOOD, **change})
    errors = {error["loc"][0]: error["msg"] for error in refused.value.errors()}
    assert fragment in errors[field]


@pytest.mark.parametrize("missing", sorted(GOOD))
def test_required_fields(missing: str) -> None:
    with pytest.raises(ValidationError, match="Field required"):
        VmRequest(**{key: value for key, value in GOOD.items() if key != missing})


def test_the_password_is_not_in_the_repr() -> None:
    assert "correct horse" not in repr(VmRequest(**{**GOOD, **PASSWORD}))
