"""POST /vms?dry_run=true: what would happen, and nothing of it does."""

from typing import Any

import pytest
from sqlalchemy import text

from orchestrator.scheduler.reclaim import reclaim_on
from orchestrator.settings import Settings
from tests.orchestrator.api.conftest import Caller
from tests.orchestrator.scheduler.life import Life
from tests.seed import PASSWORD, Seed

Content = dict[str, Any]


def everything(seed: Seed) -> Content:
    """All rows of all tables, and all sequences."""
    with seed.database.transaction() as tx:
        tables = {
            name: sorted(map(repr, tx.execute(text(f'SELECT * FROM "{name}"')).all()))
            for name in seed.database.tables.tables
        }
        sequences = tx.execute(text("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1")).all()
    assert sequences
    return {**tables, "sequences": sequences}


def dry_run(caller: Caller, seed: Seed, **changes: Any) -> Any:
    answer = caller("POST", "/vms?dry_run=true", json=seed.body(**changes))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_request_that_is_admitted_at_once(caller: Caller, seed: Seed) -> None:
    seen = dry_run(caller, seed, gpu_count=2, storage_gb=100)
    assert seen.pop("estimate_basis").startswith("no create has ended well yet")
    assert seen == {
        "admitted": True,
        "cpu_cores": 16,
        "ram_gb": 128,
        "price": {
            "hourly_rate": 1.01,
            "gpu_hourly_rate": 1.0,
            "storage_hourly_rate": 0.01,
            "discount_percent": 0.0,
            "deposit_required": None,
        },
        "gpus": [{"numa_node": 0, "pcie_root": "0"}] * 2,
        "gpus_to_wait_for": 0,
        "place_in_line": None,
        "displaced": None,
        "earliest_start_in_seconds": None,
        "refusal": None,
        "would_admit_it": [],
    }


def test_one_that_displaces_others(caller: Caller, seed: Seed) -> None:
    life = Life(seed)
    own = life.running(gpu_count=8, rental_type="interruptible")
    seen = dry_run(caller, seed, gpu_count=4)
    assert (seen["admitted"], seen["gpus"], seen["gpus_to_wait_for"]) == (True, [], 4)
    assert seen["place_in_line"] == 1
    assert seen["displaced"] == {
        "vms": 1,
        "gpus": 8,
        "notice_seconds": 120.0,
        "own_vm_ids": [str(own.id)],
    }
    seed.vm(gpu_count=8)
    reclaim_on(seed.database, Settings(interruption_notice_seconds=0, _env_file=None), "vm01")
    life.finish(own)
    assert dry_run(caller, seed, gpu_count=1)["admitted"] is False


def test_one_that_is_refused(caller: Caller, seed: Seed) -> None:
    own = Life(seed).running(gpu_count=8)
    seen = dry_run(caller, seed, gpu_count=4)
    refusal = caller("POST", "/vms", json=seed.body(gpu_count=4))
    assert seen["refusal"] == {
        "status": refusal.status_code,
        "code": refusal.json()["code"],
        "detail": refusal.json()["detail"],
        "field": None,
    }
    assert (seen["admitted"], seen["price"], seen["displaced"], seen["gpus"]) == (False, None, None, [])
    first, last = seen["would_admit_it"]
    assert (first["kind"], first["node"]) == ("node", "vm02")
    assert (last["kind"], last["vm_id"]) == ("own_vm", str(own.id))
    assert caller("POST", "/vms", json=seed.body(gpu_count=4, node=first["node"])).status_code == 201


def test_a_field_that_only_the_catalog_can_tell_is_wrong(caller: Caller, seed: Seed) -> None:
    refusal = dry_run(caller, seed, template_vmid=7)["refusal"]
    assert (refusal["status"], refusal["code"], refusal["field"]) == (
        422,
        "validation_error",
        "template_vmid",
    )
    assert caller("POST", "/vms?dry_run=true", json=seed.body(gpu_count=3)).status_code == 422


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"gpu_count": 8},
        {"gpu_count": 8, "node": "vm02"},
        {"node": "vm02", "gpu_count": 4, "rental_type": "interruptible"},
        {"rental_type": "reserved", "reservation_months": 3},
        {"node": "vm09"},
        {"auth_method": "password", "password": PASSWORD},
    ],
    ids=str,
)
def test_it_changes_nothing(caller: Caller, seed: Seed, changes: Any) -> None:
    """Not a row of any table, nor a sequence; and nobody is rung for."""
    life = Life(seed)
    life.running(gpu_count=4, rental_type="interruptible")
    life.running(gpu_count=8, node="vm02")
    life.vm(gpu_count=8)
    assert caller("GET", "/vms").status_code == 200  # notes the use of the key
    before, rung = everything(seed), list(seed.bell.rung)
    headers = {"Idempotency-Key": "k"}
    answer = caller("POST", "/vms?dry_run=true", json=seed.body(**changes), headers=headers)
    assert answer.status_code == 200
    assert PASSWORD not in answer.text
    assert everything(seed) == before
    assert seed.bell.rung == rung


def test_the_idempotency_key_stays_free(caller: Caller, seed: Seed) -> None:
    headers = {"Idempotency-Key": "k"}
    for _ in range(2):
        answer = caller("POST", "/vms?dry_run=true", json=seed.body(), headers=headers)
        assert answer.json()["admitted"] is True
    assert caller("POST", "/vms", json=seed.body(gpu_count=2), headers=headers).status_code == 201
    answer = caller("POST", "/vms?dry_run=true", json=seed.body(gpu_count=4), headers=headers)
    assert answer.json()["admitted"] is True
