"""When a node is offline, when it is back, and how a reboot is noticed."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from orchestrator.catalog.models import Node
from orchestrator.fleet.nodes import Patience
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import Status
from tests.orchestrator.fleet.watched import Fleet


def test_a_node_that_is_seen_is_noted_with_its_uptime(fleet: Fleet) -> None:
    fleet.look(fleet.shows(uptime=77))
    node = fleet.node()
    assert node.seen_at is not None
    assert (node.uptime_seconds, node.misses, node.missed_since, node.offline_since) == (77, 0, None, None)


def test_it_takes_several_misses_and_some_time(fleet: Fleet) -> None:
    fleet.patience = Patience(misses=3, seconds=30)
    for _ in range(4):
        fleet.look(fleet.shows(down=("vm01",)))
    node = fleet.node()
    assert (node.misses, node.offline_since) == (4, None)
    fleet.set_node(missed_since=func.now() - timedelta(seconds=31))
    fleet.look(fleet.shows(down=("vm01",)))
    assert fleet.node().offline_since is not None
    assert fleet.node("vm02").misses == 0


def test_time_alone_is_not_enough(fleet: Fleet) -> None:
    fleet.patience = Patience(misses=3, seconds=30)
    fleet.set_node(misses=1, missed_since=func.now() - timedelta(hours=1))
    fleet.look(fleet.shows(down=("vm01",)))
    assert fleet.node().offline_since is None
    fleet.look(fleet.shows(down=("vm01",)))
    assert fleet.node().offline_since is not None


def test_one_look_that_finds_it_ends_the_count(fleet: Fleet) -> None:
    fleet.patience = Patience(misses=2, seconds=0)
    for down in (("vm01",), (), ("vm01",)):
        fleet.look(fleet.shows(down=down))
    assert (fleet.node().misses, fleet.node().offline_since) == (1, None)


def test_a_cluster_that_does_not_answer_misses_all_its_nodes(fleet: Fleet) -> None:
    fleet.look(None)
    assert fleet.node("vm01").offline_since is not None
    assert fleet.node("vm02").offline_since is not None


def test_a_node_that_is_not_listed_is_missed(fleet: Fleet) -> None:
    fleet.set_node("vm02", pve_name="renamed")
    fleet.look(fleet.shows())
    assert fleet.node("vm02").misses == 1


@pytest.mark.parametrize(
    ("before", "now", "rebooted"),
    [(1000, 1010, False), (1000, 5, True), (1000, 985, False), (None, 5, False), (1000, None, False)],
)
def test_a_smaller_uptime_is_a_reboot(
    fleet: Fleet, before: int | None, now: int | None, rebooted: bool
) -> None:
    fleet.set_node(uptime_seconds=before)
    fleet.look(fleet.shows(uptime=now))
    node = fleet.node()
    assert (node.rebooted_at is not None) is rebooted
    assert node.uptime_seconds == (before if now is None else now)


@pytest.mark.parametrize(("last_seen", "expected"), [(600, 300), (100, 100)])
def test_it_was_rebooted_when_it_booted_and_not_before_it_was_seen_last(
    fleet: Fleet, last_seen: int, expected: int
) -> None:
    fleet.set_node(uptime_seconds=1000, seen_at=func.now() - timedelta(seconds=last_seen))
    fleet.look(fleet.shows(uptime=300))
    node = fleet.node()
    assert node.rebooted_at is not None
    assert node.seen_at is not None
    assert (node.seen_at - node.rebooted_at).total_seconds() == pytest.approx(expected, abs=5)


def test_what_waited_for_a_node_goes_on_when_it_is_back(fleet: Fleet) -> None:
    vm_id = fleet.vm(Status.STARTING, under_way=(Kind.START, Step.BOOT))
    fleet.look(None)
    with fleet.seed.database.transaction() as tx:
        operation = fleet.operation(vm_id)
        assert operation is not None
        operation.state, operation.parked_for = "parked", "node"
        tx.merge(operation)
    fleet.look(fleet.shows())
    assert [ring.vm_id for ring in fleet.seed.bell.rung] == [vm_id]
    operation = fleet.operation(vm_id)
    assert operation is not None
    assert operation.state == "open"


def test_a_node_in_other_hands_is_left_for_the_next_look(fleet: Fleet) -> None:
    with fleet.seed.database.transaction() as tx:
        tx.execute(select(Node.id).where(Node.id == "vm01").with_for_update(key_share=True))
        fleet.look(None)
    assert fleet.node("vm01").misses == 0
    assert fleet.node("vm02").misses == 1
