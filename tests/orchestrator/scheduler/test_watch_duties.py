"""Each tick asks the pool of one node for each cluster; a broker that is away costs that tick."""

from collections.abc import Callable

import pytest
from kombu.exceptions import OperationalError

from orchestrator.scheduler.watch import Send, ask_for_look, ask_for_sweep
from orchestrator.store.database import Database
from orchestrator.vms.models import DutyRun
from tests.seed import Seed

Duty = Callable[[Database, Send], str | None]
DUTIES = pytest.mark.parametrize(("duty", "name"), [(ask_for_look, "watch"), (ask_for_sweep, "sweep")])


@DUTIES
def test_one_node_of_each_cluster_is_asked(seed: Seed, duty: Duty, name: str) -> None:
    asked: list[tuple[str, str]] = []
    assert duty(seed.database, lambda *where: asked.append(where)) == "1 clusters asked"
    [(cluster, node)] = asked
    assert cluster == "c1"
    assert node in ("vm01", "vm02")
    with seed.database.transaction() as tx:
        assert tx.get_one(DutyRun, name).runs == 1


@DUTIES
@pytest.mark.parametrize("error", [OperationalError("away"), ConnectionError("refused")])
def test_a_broker_that_is_away_does_not_fail_the_duty(
    seed: Seed, duty: Duty, name: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def send(_cluster: str, _node: str) -> None:
        raise error

    assert duty(seed.database, send) == "1 clusters asked"
    assert "cluster c1 was not asked" in caplog.text
    with seed.database.transaction() as tx:
        assert tx.get_one(DutyRun, name).failures == 0
