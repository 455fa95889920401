"""Every wait explains itself (promise 7): nothing that the schema allows is left without an answer."""

from typing import Any

import pytest
from sqlalchemy import delete, insert, text, update

from orchestrator.gpus.models import Claim
from orchestrator.policy.explain import AT_REST, Reason
from orchestrator.vms.explanation import explain
from orchestrator.vms.models import PARKED_FOR, Event, Operation, Vm
from orchestrator.vms.pipelines import PIPELINES
from orchestrator.vms.statuses import Status
from tests.orchestrator.vms.explained import SETTINGS
from tests.seed import Seed

MOMENTS: list[dict[str, Any]] = [
    {"state": "open"},
    {"state": "open", "not_before": text("now() + interval '1 hour'"), "last_error": "x"},
    {"state": "open", "lease_token": text("gen_random_uuid()"), "lease_expires_at": text("now() + '1 h'")},
    *({"state": "parked", "parked_for": wanted} for wanted in PARKED_FOR),
]
STEPS = [(kind, step) for kind, line in PIPELINES.items() for step in (line.steps[0], line.steps[-2])]


@pytest.mark.parametrize("status", Status)
def test_whoever_is_not_settled_is_told_what_for(seed: Seed, status: Status) -> None:
    """Promise 7, over what the schema allows: status × operation × who is at it and what it is parked for."""
    vm_id = seed.vm(rental_type="interruptible", gpu_count=2).id
    with seed.database.transaction() as tx:
        tx.execute(delete(Claim))
        tx.execute(delete(Event))
        tx.execute(text("ALTER TABLE vms DISABLE TRIGGER USER"))
        tx.execute(
            update(Vm)
            .where(Vm.id == vm_id)
            .values(
                status=status.value,
                status_before_offline="running" if status is Status.OFFLINE else None,
                failure_reason="it broke" if status is Status.FAILED else None,
            )
        )
        tx.execute(text("ALTER TABLE vms ENABLE TRIGGER USER"))
        at_rest = []
        for work in [None, *((*at, moment) for at in STEPS for moment in MOMENTS)]:
            tx.execute(delete(Operation))
            if work is not None:
                kind, step, moment = work
                tx.execute(
                    insert(Operation).values(
                        vm_id=vm_id, node_id="vm01", kind=kind.value, step=step.value, actor="test", **moment
                    )
                )
            tx.expire_all()
            seen = explain(tx, tx.get_one(Vm, vm_id), SETTINGS).told()
            if seen["reason"] in AT_REST:
                at_rest.append(work)
                continue
            assert seen["waits_for"], (work, seen)
            assert seen["since"], (work, seen)
            assert seen["estimate_basis"], (work, seen)
            assert seen["reason"] in set(Reason)
    settled = {Status.RUNNING, Status.STOPPED, Status.FAILED, Status.DESTROYED}
    assert at_rest == ([None] if status in settled else [])
