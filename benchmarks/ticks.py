"""Ticks of reclaim and restore: 1,000 nodes, 8,000 GPUs, 8,000 VMs and 1,000 that wait, or nothing to do.

Yardstick, in the same run on the same server: one count over the tables that a tick has to read. `decides` is
the part before anything is written: snapshot and plan. Run with `make ticks`.
"""

import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from orchestrator.embedded import EmbeddedPostgres
from orchestrator.gpus import fleet
from orchestrator.gpus.snapshot import pools, wanted
from orchestrator.policy.plan import plan
from orchestrator.policy.restore import decide_restores
from orchestrator.scheduler.reclaim import reclaim
from orchestrator.scheduler.restore import restore
from orchestrator.settings import Settings
from orchestrator.store import migrate
from orchestrator.store.database import Database
from tests.seed import seed_catalog

NODES = 1000
GPUS = 8
ROUNDS = 15
BAR_MS, IDLE_BAR_MS = 200, 20
SETTINGS = Settings(_env_file=None)

NEW_VMS = """
WITH fresh AS (
    SELECT gen_random_uuid() AS id, nodes.id AS node_id,
           (SELECT count(*) FROM vmids) + 100000 + row_number() OVER () AS vmid
    FROM nodes, generate_series(1, :count)
), numbers AS (
    INSERT INTO vmids (cluster_id, vmid, vm_id) SELECT 'c1', vmid, id FROM fresh
)
INSERT INTO vms (id, user_id, cluster_id, node_id, vmid, gpu_type, gpu_count, storage_gb, ram_gb, cpu_cores,
                 template_vmid, rental_type, auto_restart, gpu_hourly_rate, storage_hourly_rate, auth_method,
                 login_user, ssh_public_key, started_at)
SELECT id, 1, 'c1', node_id, vmid, '5090', :gpus, 50, 64, 8, 100, CAST(:rental AS text),
       CASE WHEN CAST(:rental AS text) = 'interruptible' THEN true END, 1, 1, 'ssh_key', 'ubuntu', 'key',
       now() - interval '1 hour'
FROM fresh
"""
CLAIMS = """
INSERT INTO claims (gpu_id, vm_id, node_id, gpu_type, slot)
SELECT g.id, v.id, v.node_id, '5090', 0
FROM (SELECT id, node_id, row_number() OVER (PARTITION BY node_id ORDER BY id) AS n FROM gpus) g
JOIN (SELECT id, node_id, row_number() OVER (PARTITION BY node_id ORDER BY id) AS n FROM vms
      WHERE rental_type = 'interruptible') v ON v.node_id = g.node_id AND v.n = g.n
"""
WAIT = """
INSERT INTO operations (vm_id, node_id, kind, step, state, parked_for, actor)
SELECT id, node_id, 'create', 'reserve', 'parked', 'capacity', 'user:1' FROM vms
WHERE rental_type = 'on_demand'
"""
ONE_OF_EACH_NODE = (
    "SELECT DISTINCT ON (node_id) id FROM vms WHERE rental_type = 'interruptible' ORDER BY node_id, id"
)
INTERRUPT = (
    f"UPDATE claims SET released_at = now(), released_because = 'bench' WHERE vm_id IN ({ONE_OF_EACH_NODE})",
    f"UPDATE vms SET status = 'stopping' WHERE id IN ({ONE_OF_EACH_NODE})",
    "UPDATE vms SET status = 'interrupted' WHERE status = 'stopping'",
    """
    INSERT INTO interruptions (vm_id, node_id, cause, state, announced_at, notice_until, interrupted_at)
    SELECT id, node_id, 'drain', 'interrupted', now() - interval '2 hours', now() - interval '119 min',
           now() - interval '119 min' FROM vms WHERE status = 'interrupted'
    """,
)
YARDSTICK = """
SELECT count(*) FROM claims c JOIN gpus g ON g.id = c.gpu_id JOIN vms v ON v.id = c.vm_id
LEFT JOIN operations o ON o.vm_id = v.id WHERE c.released_at IS NULL
"""


def run(database: Database, *statements: str, **values: object) -> None:
    with database.transaction() as tx:
        for statement in statements:
            tx.execute(text(statement), values)


def milliseconds(work: Callable[[], object]) -> float:
    """Median of several rounds, after one that warms up."""
    took = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took[1:])


def yardstick(database: Database) -> None:
    with database.transaction() as tx:
        tx.scalar(text(YARDSTICK))


def decide_reclaims(database: Database) -> None:
    with database.transaction() as tx:
        for pool in pools(tx, wanted(tx)).values():
            plan(pool, SETTINGS.capacity_wait_seconds)


def decide_all_restores(database: Database) -> None:
    with database.transaction() as tx:
        now = fleet.now(tx)
        for waiting in fleet.waiting(tx).values():
            decide_restores(waiting.vms, waiting.fleet, now, SETTINGS.rules)


def report(what: str, took: float, bar: float, plain: float) -> None:
    print(f"{what:52} {took:7.1f} ms   bar {bar:3.0f} ms   {took / plain:5.1f} × yardstick")


def measure(database: Database) -> None:
    run(database, NEW_VMS, count=GPUS, gpus=1, rental="interruptible")
    run(database, CLAIMS)
    run(database, "UPDATE vms SET status = 'starting'", "UPDATE vms SET status = 'running'", "ANALYZE")
    plain = milliseconds(lambda: yardstick(database))
    print(f"{'yardstick: one count over the same tables':52} {plain:7.1f} ms")
    report("reclaim, nobody waits", milliseconds(lambda: reclaim(database, SETTINGS)), IDLE_BAR_MS, plain)
    report(
        "restore, nobody is interrupted",
        milliseconds(lambda: restore(database, SETTINGS)),
        IDLE_BAR_MS,
        plain,
    )

    run(database, NEW_VMS, count=1, gpus=4, rental="on_demand")
    run(database, WAIT, "ANALYZE")
    report("reclaim, 1,000 wait: decides", milliseconds(lambda: decide_reclaims(database)), BAR_MS, plain)
    began = time.perf_counter()
    while " 0 changes" not in str(reclaim(database, SETTINGS)):  # each tick ends after a while
        pass
    each = (time.perf_counter() - began) * 1000 / NODES
    print(f"{'reclaim: issues 4 notices behind a gate, each node':52} {each:7.1f} ms")
    run(database, "ANALYZE")
    report(
        "reclaim, 1,000 wait for notices: whole tick",
        milliseconds(lambda: reclaim(database, SETTINGS)),
        BAR_MS,
        plain,
    )

    run(database, "UPDATE operations SET state = 'cancelled', parked_for = NULL, finished_at = now()")
    run(database, "UPDATE interruptions SET state = 'cancelled', ended_at = now()")
    run(database, *INTERRUPT, "ANALYZE")
    report("restore, 1,000 wait: decides", milliseconds(lambda: decide_all_restores(database)), BAR_MS, plain)
    print(restore(database, SETTINGS))


def main() -> None:
    gc.freeze()  # as the scheduler does
    with tempfile.TemporaryDirectory(prefix="innkeeper-bench-") as directory:
        Path(directory).chmod(0o755)
        with EmbeddedPostgres(Path(directory)) as server:
            database = Database(server.create_database("ticks"))
            migrate.upgrade(database.engine)
            seed_catalog(database, nodes=NODES, gpus=GPUS)
            measure(database)
            database.close()
        server.remove()


if __name__ == "__main__":
    main()
