"""Wake: ring again for every due operation that nobody works on. Losing all messages costs seconds."""

from orchestrator.scheduler.duties import run_duty
from orchestrator.store.database import Database, Transaction
from orchestrator.vms import waking


def wake(database: Database, *, ring_again_seconds: float) -> str | None:
    """One tick. Returns what it did, or None when another scheduler is at it."""

    def ring_for_due(tx: Transaction) -> str:
        due = waking.wake_due(tx, ring_again_seconds=ring_again_seconds)
        return f"{due} operations rung for"

    return run_duty(database, "wake", ring_for_due)
