"""Capacity and quotas, also when many ask at once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from orchestrator.gpus.models import Claim


def at_once(count, ask):
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: ask(), range(count)))


@pytest.mark.parametrize("gpu_count", [1, 2])
def test_sixteen_at_once_get_the_eight_gpus_and_no_more(caller, seed, gpu_count):
    answers = at_once(16, lambda: caller("POST", "/vms", json=seed.body(gpu_count=gpu_count)))
    fitting = 8 // gpu_count
    assert Counter(answer.status_code for answer in answers) == {201: fitting, 409: 16 - fitting}
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json() == {
                "detail": f"Node vm01 has 0 free 5090 GPUs, {gpu_count} are needed. "
                "Displacing interruptible VMs would give 0.",
                "code": "insufficient_capacity",
                "node": "vm01",
                "gpu_type": "5090",
                "free": 0,
                "needed": gpu_count,
                "reclaimable": 0,
            }
    with seed.database.transaction() as tx:
        live = select(func.count(Claim.gpu_id.distinct())).where(Claim.released_at.is_(None))
        assert tx.scalar(live) == 8
    assert len(caller("GET", "/vms").json()) == len(seed.bell.rung) == fitting


def test_a_refusal_says_what_is_free(caller, seed):
    caller("POST", "/vms", json=seed.body(gpu_count=4))
    caller("POST", "/vms", json=seed.body(gpu_count=1))
    answer = caller("POST", "/vms", json=seed.body(gpu_count=4))
    assert answer.status_code == 409
    assert (answer.json()["free"], answer.json()["needed"]) == (3, 4)


def with_key(caller):
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9jk3/fA8JxVOqYSp9Re7PbrivT1Nl7oSaACoBRVPVE test"
    assert caller("POST", "/ssh-keys", json={"ssh_public_key": key}).status_code == 201
    return caller


def test_max_vms_is_told_with_its_figures(make_caller, seed):
    caller = with_key(make_caller("small@example.org", max_vms=1))
    assert caller("POST", "/vms", json=seed.body()).status_code == 201
    answer = caller("POST", "/vms", json=seed.body())
    assert answer.status_code == 403
    assert answer.json() == {
        "detail": "This account may have 1 VMs and has 1.",
        "code": "quota_exceeded",
        "max_vms": 1,
        "vms": 1,
    }


def test_max_vms_holds_when_many_ask_at_once(make_caller, seed):
    caller = with_key(make_caller("small@example.org", max_vms=3))
    answers = at_once(8, lambda: caller("POST", "/vms", json=seed.body()))
    assert Counter(answer.status_code for answer in answers) == {201: 3, 403: 5}


def test_max_hourly_spend_is_told_with_its_figures(make_caller, seed):
    caller = with_key(make_caller("poor@example.org", max_hourly_spend=Decimal("0.6")))
    assert caller("POST", "/vms", json=seed.body()).status_code == 201
    answer = caller("POST", "/vms", json=seed.body())
    assert (answer.status_code, answer.json()["code"]) == (403, "quota_exceeded")
    figures = {k: v for k, v in answer.json().items() if k not in ("detail", "code")}
    assert figures == {"max_hourly_spend": 0.6, "hourly_spend": 0.505, "requested": 0.505}
