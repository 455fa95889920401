"""Restore: interrupted VMs come back by themselves when there is room again."""

from collections.abc import Hashable
from typing import cast
from uuid import UUID

from orchestrator.errors import InsufficientCapacity, StateConflict
from orchestrator.gpus import claims, fleet
from orchestrator.policy.restore import Verdict, decide_restores
from orchestrator.scheduler.duties import for_a_while, run_duty
from orchestrator.settings import Settings
from orchestrator.store.database import Database, Transaction
from orchestrator.vms import addresses, events, operations
from orchestrator.vms.locks import lock_if_free
from orchestrator.vms.pipelines import Kind
from orchestrator.vms.statuses import Status


def restore(database: Database, settings: Settings) -> str | None:
    """One tick over all GPU types. Returns what it did, or None when another scheduler is at it."""

    def look(tx: Transaction) -> str:
        now, waiting = fleet.now(tx), fleet.waiting(tx)
        decisions = [
            decision
            for here in waiting.values()
            for decision in decide_restores(here.vms, here.fleet, now, settings.rules)
        ]
        chosen = [decision.vm for decision in decisions if decision.verdict is Verdict.RESTORE]
        begun = sum(_bring_back(database, vm) for vm in for_a_while(chosen))
        return f"{begun} of {len(decisions)} interrupted VMs begin to come back"

    return run_duty(database, "restore", look)


def _bring_back(database: Database, vm_id: Hashable) -> bool:
    """Claim its GPUs and begin, unless something changed since the look."""
    try:
        with database.transaction() as tx:
            vm = lock_if_free(tx, cast(UUID, vm_id))
            if vm is None or vm.status != Status.INTERRUPTED or operations.live(tx, vm.id) is not None:
                return False
            claims.gate(tx, vm.node_id)
            claims.require_open(tx, vm.node_id)
            claims.claim(tx, vm)
            addresses.assign(tx, vm)
            operations.begin(tx, vm, Kind.RESTORE, actor=events.INNKEEPER)
    except (InsufficientCapacity, StateConflict):
        return False
    return True
