"""Usage: have the present use of all VMs read, one message for each cluster."""

from collections.abc import Callable
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on

from orchestrator.catalog.models import Node
from orchestrator.scheduler.duties import run_duty
from orchestrator.store.database import Database, Transaction


def ask_for_usage(database: Database, send: Callable[[str, str], None]) -> str | None:
    """One tick. `send(cluster, node)` asks the pool of any node of the cluster, another one each time.

    Returns what it did, or None when another scheduler is at it.
    """

    def ask(tx: Transaction) -> str:
        any_node = (
            select(Node.cluster_id, Node.id)
            .where(Node.retired_at.is_(None))
            .ext(distinct_on(Node.cluster_id))
            .order_by(Node.cluster_id, func.random())
        )
        asked = [(cluster, node) for cluster, node in tx.execute(any_node)]
        for cluster, node in asked:
            tx.after_commit(partial(send, cluster, node))
        return f"{len(asked)} clusters asked"

    return run_duty(database, "usage", ask)
