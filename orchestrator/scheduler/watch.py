"""Watch: have every cluster looked at, one message for each; and empty the nodes that are drained for it."""

import logging
from collections.abc import Callable
from functools import partial

from kombu.exceptions import KombuError
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on

from orchestrator.catalog.models import Node
from orchestrator.fleet.drain import call_off_notices, give_notices
from orchestrator.scheduler.duties import run_duty
from orchestrator.store.database import Database, Transaction

log = logging.getLogger(__name__)
Send = Callable[[str, str], None]
"""`send(cluster, node)` puts a message for a cluster into the queue of a node."""


def ask_for_look(database: Database, send: Send) -> str | None:
    """One tick of the watch: one cheap read of each cluster."""
    return _ask(database, "watch", send)


def ask_for_sweep(database: Database, send: Send) -> str | None:
    """One tick of the sweep: a closer comparison of each cluster with the store."""
    return _ask(database, "sweep", send)


def empty_nodes(database: Database, *, notice_seconds: float) -> str | None:
    """One tick of the drain: notice to the interruptible VMs that run on nodes that are to be emptied, and
    called off where that has ended."""

    def settle(_: Transaction) -> str:
        given = give_notices(database, notice_seconds=notice_seconds)
        return f"{given} VMs were given notice, {call_off_notices(database)} notices called off"

    return run_duty(database, "drain", settle)


def _ask(database: Database, duty: str, send: Send) -> str | None:
    """Ask the pool of any node of each cluster, another one each time: that one's worker may be down.

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
            tx.after_commit(partial(_send, send, cluster, node))
        return f"{len(asked)} clusters asked"

    return run_duty(database, duty, ask)


def _send(send: Send, cluster: str, node: str) -> None:
    try:
        send(cluster, node)
    except (KombuError, OSError) as error:
        log.warning("cluster %s was not asked, the next tick will (%s)", cluster, type(error).__name__)
