"""A difference that is seen again is the same finding; one that is gone is closed."""

from dataclasses import replace

from sqlalchemy import select

from orchestrator.fleet import findings
from orchestrator.fleet.comparison import Found, Kind
from orchestrator.fleet.models import Finding
from tests.seed import Seed

FOUND = Found(Kind.STUCK_CLONE, "101", "VM 101 is stuck", "vm01", 101, command="qm unlock 101")
NOWHERE = Found(Kind.VM_MISSING, "102", "VM 102 is missing")


def record(seed: Seed, *found: Found, unread: tuple[str, ...] = ()) -> list[Finding]:
    with seed.database.transaction() as tx:
        findings.record(tx, "c1", found, unread=unread)
    with seed.database.transaction() as tx:
        return findings.present(tx)


def test_it_has_its_node_number_and_command(seed: Seed) -> None:
    [finding] = record(seed, FOUND)
    assert (finding.node_id, finding.vmid, finding.command) == ("vm01", 101, "qm unlock 101")


def test_seen_again_it_is_the_same_and_newer(seed: Seed) -> None:
    [first] = record(seed, FOUND)
    [again] = record(seed, replace(FOUND, text="VM 101 is still stuck"))
    assert (again.id, again.first_seen_at, again.text) == (
        first.id,
        first.first_seen_at,
        "VM 101 is still stuck",
    )
    assert again.last_seen_at > first.last_seen_at


def test_what_is_gone_is_closed_and_may_come_back_as_another(seed: Seed) -> None:
    [first] = record(seed, FOUND, NOWHERE)[:1]
    assert record(seed) == []
    [second] = record(seed, FOUND)
    assert second.id != first.id
    with seed.database.transaction() as tx:
        assert tx.scalars(select(Finding.gone_at).where(Finding.id == first.id)).one() is not None


def test_nothing_is_gone_on_a_node_that_was_not_read(seed: Seed) -> None:
    record(seed, FOUND, NOWHERE)
    assert [finding.key for finding in record(seed, unread=("vm01", "elsewhere"))] == [FOUND.key]
    assert record(seed, unread=("vm02",)) == []


def test_they_are_counted_by_kind(seed: Seed) -> None:
    record(seed, FOUND, replace(FOUND, about="7"), NOWHERE)
    with seed.database.transaction() as tx:
        assert findings.counts(tx) == {"stuck_clone": 2, "vm_missing": 1}


def test_other_clusters_keep_theirs(seed: Seed) -> None:
    record(seed, FOUND)
    with seed.database.transaction() as tx:
        findings.record(tx, "another", [])
        assert len(findings.present(tx)) == 1
