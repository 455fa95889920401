"""Reclaim: make room for who pays and waits, by notice to interruptible VMs."""

from collections.abc import Hashable
from typing import cast
from uuid import UUID

from orchestrator.gpus import claims
from orchestrator.gpus.snapshot import PoolKey, pools, wanted
from orchestrator.policy.plan import Plan, plan
from orchestrator.scheduler.duties import for_a_while, run_duty
from orchestrator.settings import Settings
from orchestrator.store.database import Database, Transaction
from orchestrator.vms import events, notices, operations
from orchestrator.vms.locks import lock_if_free
from orchestrator.vms.moments import utc
from orchestrator.vms.pipelines import Step


def reclaim(database: Database, settings: Settings) -> str | None:
    """One tick over all nodes. Returns what it did, or None when another scheduler is at it.

    All nodes are looked at in a few reads; only where something is to be done a gate is passed.
    """

    def look(tx: Transaction) -> str:
        seen = pools(tx, wanted(tx))
        patience = settings.capacity_wait_seconds
        busy = [key for key, pool in seen.items() if pool.servable or plan(pool, patience) != Plan()]
        changes = sum(reclaim_in(database, settings, key) for key in for_a_while(busy))
        return f"{len(seen)} pools waited for; {changes} changes"

    return run_duty(database, "reclaim", look)


def reclaim_on(database: Database, settings: Settings, node_id: str) -> int:
    """The same for one node, at once: somebody has just begun to wait there. The number of changes."""
    with database.transaction() as tx:
        here = wanted(tx, node_id)
    return sum(reclaim_in(database, settings, key) for key in here)


def reclaim_in(database: Database, settings: Settings, key: PoolKey) -> int:
    """Decide on a snapshot behind the node's gate, and issue it in the same transaction: once, whatever else
    looks at the same time. VMs that somebody holds are left to the next look."""
    with database.transaction() as tx:
        claims.gate(tx, key.node_id)
        claims.hand_on(tx, *key)
        decided = plan(pools(tx, [key])[key], settings.capacity_wait_seconds)
        seconds = settings.interruption_notice_seconds
        return (
            sum(_displace(tx, seconds, victim, waiter) for victim, waiter in decided.displace)
            + sum(_hand_over(tx, victim, waiter) for victim, waiter in decided.hand_over)
            + sum(_call_off(tx, vm) for vm in decided.call_off)
            + sum(_give_up(tx, vm) for vm in decided.give_up)
        )


def _displace(tx: Transaction, seconds: float, victim: Hashable, waiter: Hashable) -> bool:
    vm = lock_if_free(tx, cast(UUID, victim))
    if vm is None:
        return False
    until = notices.give(tx, vm, cause="reclaim", seconds=seconds, displaced_by=cast(UUID, waiter))
    if until is None:
        return False
    _tell_waiter(tx, waiter, f"a VM with {vm.gpu_count} GPUs makes room for it at {utc(until)}")
    return True


def _hand_over(tx: Transaction, victim: Hashable, waiter: Hashable) -> bool:
    vm = lock_if_free(tx, cast(UUID, victim))
    if vm is None or not notices.hand_over(tx, vm, cast(UUID, waiter)):
        return False
    _tell_waiter(tx, waiter, f"a VM with {vm.gpu_count} GPUs that was interrupted anyway makes room for it")
    return True


def _call_off(tx: Transaction, vm_id: Hashable) -> bool:
    vm = lock_if_free(tx, cast(UUID, vm_id))
    return vm is not None and notices.call_off(tx, vm)


def _give_up(tx: Transaction, vm_id: Hashable) -> bool:
    """Who has waited long for what cannot come any more ends with a reason, instead of waiting for ever."""
    vm = lock_if_free(tx, cast(UUID, vm_id))
    if vm is None:
        return False
    operation = operations.live(tx, vm.id)
    if operation is None or operation.step != Step.RESERVE or operation.state != "parked":
        return False
    reason = (
        f"{vm.gpu_count} {vm.gpu_type} GPUs on node {vm.node_id} did not come free, and too few are held by "
        "VMs that may be displaced: try fewer GPUs or another node."
    )
    operations.give_up(tx, operation, vm, reason=reason)
    return True


def _tell_waiter(tx: Transaction, waiter: Hashable, text: str) -> None:
    """Without its operation: to name that would wait for whoever works on it, behind a gate."""
    events.record(tx, cast(UUID, waiter), text, actor=events.INNKEEPER)
