"""Is there room? GPUs for a VM that was accepted: at once, or by displacing interruptible ones."""

from collections.abc import Sequence

from orchestrator.errors import InsufficientCapacity
from orchestrator.gpus import claims
from orchestrator.gpus.choice import Card
from orchestrator.gpus.claims import CapacityWanted
from orchestrator.gpus.fleet import fleet
from orchestrator.gpus.snapshot import PoolKey, pools
from orchestrator.policy.restore import admits_new
from orchestrator.policy.rules import Rules
from orchestrator.store.database import Transaction
from orchestrator.vms import operations
from orchestrator.vms.models import Operation, Vm

RECHECK_SECONDS = 60
"""How long a lost wake-up can cost who waits for capacity."""


def secure(tx: Transaction, vm: Vm, rules: Rules | None = None) -> bool:
    """Claim the GPUs of `vm` (True), or see that it can get them by displacing interruptible VMs (False).

    In the second case the caller begins the operation and lets it `wait`. Raises what `look` raises.
    """
    claims.gate(tx, vm.node_id)
    claims.hand_on(tx, vm.node_id, vm.gpu_type)
    chosen = look(tx, vm, claims.free_cards(tx, vm.node_id, vm.gpu_type), rules)
    if chosen is None:
        return False
    claims.take(tx, vm, chosen)
    return True


def look(
    tx: Transaction, vm: Vm, free: Sequence[Card], rules: Rules | None = None
) -> tuple[Card, ...] | None:
    """Which of the `free` GPUs, that nobody in line is given, `vm` would get; None: it has to wait for some
    that are reclaimed. Nothing is changed, and the VM need not be stored.

    With `rules` a new interruptible VM leaves their headroom free. Raises InsufficientCapacity with what is
    free and what could be reclaimed, StateConflict when the node takes no VMs.
    """
    claims.require_open(tx, vm.node_id)
    if rules is not None and rules.headroom_for_new and vm.rental_type == "interruptible":
        seen = fleet(tx, vm.gpu_type)
        if not admits_new(seen, vm.node_id, vm.gpu_count, rules):
            raise InsufficientCapacity(
                f"{vm.gpu_count} {vm.gpu_type} GPUs on node {vm.node_id} would leave too few free ones for "
                "requests that may not wait: try fewer GPUs, another node, or rental_type on_demand.",
                facts={
                    "node": vm.node_id,
                    "gpu_type": vm.gpu_type,
                    "free": seen.free.get(vm.node_id, 0),
                    "needed": vm.gpu_count,
                },
            )
    try:
        return claims.pick(tx, vm, free)
    except InsufficientCapacity as refused:
        if vm.rental_type == "interruptible":
            raise
        key = PoolKey(vm.node_id, vm.gpu_type)
        reclaimable = pools(tx, [key])[key].reclaimable
        if reclaimable < refused.facts["needed"]:
            raise InsufficientCapacity(
                f"{refused.detail} Displacing interruptible VMs would give {reclaimable}.",
                facts={**refused.facts, "reclaimable": reclaimable},
            ) from None
        return None


def wait(tx: Transaction, operation: Operation, vm: Vm) -> None:
    """Put an operation that could not be given its GPUs into the line; the scheduler makes room at once."""
    operations.park(
        tx,
        operation,
        wanted="capacity",
        error=f"{vm.gpu_count} {vm.gpu_type} GPUs on node {vm.node_id} are being reclaimed",
        recheck_seconds=RECHECK_SECONDS,
    )
    tx.flush()
    claims.hand_on(tx, vm.node_id, vm.gpu_type)
    tx.ring(CapacityWanted(vm.node_id))
