"""Steps against a simulated Proxmox VE over real HTTP and SSH, driven without a queue."""

from collections.abc import Iterator

import pytest
from sqlalchemy import update

from orchestrator.catalog.models import Node
from orchestrator.store.database import Database
from simulator import Simulator, Timing, demo_config
from tests.workers.steps.bench import Bench, make_bench

TIME_SCALE = 0.001


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Two nodes of eight GPUs, 1000 times as fast as real ones."""
    config = demo_config(nodes=2, time_scale=TIME_SCALE, ram_gib=128)
    with Simulator(config) as sim:
        yield sim


@pytest.fixture
def slow_bench(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """The same with clones that take half a second."""
    slow = Timing(copy_mib_per_second=20)
    config = demo_config(nodes=1, time_scale=TIME_SCALE, ram_gib=128, timing=slow)
    with Simulator(config) as sim:
        made = make_bench(sim, database, monkeypatch)
        with database.transaction() as tx:
            tx.execute(update(Node).values(full_clone=True))
        yield made
        made.close()


@pytest.fixture
def bench(simulator: Simulator, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A store with the simulator's catalog, a user, and a runner of steps."""
    made = make_bench(simulator, database, monkeypatch)
    yield made
    made.close()
