"""A card in quarantine is not offered; when it is released, who waits for it gets it first."""

import pytest
from sqlalchemy import select

from orchestrator.catalog.models import Gpu
from orchestrator.errors import NotFound
from orchestrator.gpus import claims
from orchestrator.gpus.quarantine import lift, quarantine
from orchestrator.vms import operations
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.pipelines import Step
from tests.seed import Seed

CARD = ("vm01", "gpu-vm01-0")


def put_in(seed: Seed, cause: str = "operator") -> bool:
    with seed.database.transaction() as tx:
        return quarantine(tx, *CARD, cause=cause, reason=f"because of {cause}")


def test_the_first_reason_stays(seed: Seed) -> None:
    assert put_in(seed, "start")
    assert not put_in(seed)
    with seed.database.transaction() as tx:
        gpu = tx.scalars(select(Gpu).where(Gpu.mapping == CARD[1])).one()
        assert (gpu.quarantine_cause, gpu.quarantine_reason) == ("start", "because of start")
        assert gpu.quarantined_at is not None


def test_it_is_released_once(seed: Seed) -> None:
    put_in(seed)
    for done in (True, False):
        with seed.database.transaction() as tx:
            assert lift(tx, *CARD) is done
    with seed.database.transaction() as tx:
        assert claims.free_counts(tx)["vm01", "5090"] == 8


def test_only_for_the_cause_it_is_there(seed: Seed) -> None:
    put_in(seed, "start")
    with seed.database.transaction() as tx:
        assert not lift(tx, *CARD, cause="mapping")
        assert lift(tx, *CARD, cause="start")


def test_who_waits_gets_it_at_once(seed: Seed) -> None:
    put_in(seed)
    seed.vm(gpu_count=4), seed.vm(gpu_count=2), seed.vm()
    waiting = seed.vm(node="vm02")
    with seed.database.transaction() as tx:
        claims.release(tx, tx.get_one(Vm, waiting.id), because="test")
    with seed.database.transaction() as tx:
        for mapping in [f"gpu-vm02-{slot}" for slot in range(8)]:
            quarantine(tx, "vm02", mapping, cause="operator", reason="test")
        operation = tx.scalars(select(Operation).where(Operation.vm_id == waiting.id)).one()
        operations.park(tx, operation, wanted="capacity", error="none", recheck_seconds=3600)
    seed.bell.rung.clear()
    with seed.database.transaction() as tx:
        lift(tx, "vm02", "gpu-vm02-3")
    assert [(ring.vm_id, ring.step) for ring in seed.bell.rung] == [(waiting.id, Step.RESERVE)]
    with seed.database.transaction() as tx:
        assert claims.held_mappings(tx, tx.get_one(Vm, waiting.id)) == {0: "gpu-vm02-3"}


def test_an_unknown_card(seed: Seed) -> None:
    with pytest.raises(NotFound, match="gpu-none"), seed.database.transaction() as tx:
        lift(tx, "vm01", "gpu-none")
