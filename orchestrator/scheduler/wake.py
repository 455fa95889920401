"""Wake: ring again for every due operation that nobody works on. Losing all messages costs seconds."""

from orchestrator.queue.chains import Bell
from orchestrator.scheduler.duties import run_duty
from orchestrator.store.database import Database, Transaction
from orchestrator.vms import operations


def wake(database: Database, bell: Bell, *, ring_again_seconds: float) -> str | None:
    """One tick. Returns what it did, or None when another scheduler is at it."""

    def ring_for_due(tx: Transaction) -> str:
        due = operations.wake(tx, ring_again_seconds=ring_again_seconds)
        tx.after_commit(lambda: bell.ring(due))
        return f"{len(due)} operations rung for"

    return run_duty(database, "wake", ring_for_due)
