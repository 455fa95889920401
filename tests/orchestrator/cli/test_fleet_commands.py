"""`innkeeper node`, `innkeeper gpu`, `innkeeper findings`, `innkeeper user`: straight into the database."""

import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from orchestrator.accounts import users
from orchestrator.catalog.models import Gpu, Node
from orchestrator.cli import main, nodes
from orchestrator.fleet import findings
from orchestrator.fleet.comparison import Found, Kind
from orchestrator.gpus import claims
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.statuses import Status
from orchestrator.vms.transitions import move
from tests.orchestrator.fleet.watched import Fleet
from tests.seed import Seed


@pytest.fixture(autouse=True)
def _database(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    url = seed.database.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("INNKEEPER_DATABASE_URL", url)


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main.app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def told(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def running(seed: Seed, **wanted: Any) -> UUID:
    return Fleet(seed).vm(Status.RUNNING, **wanted)


class TestNodes:
    def test_they_are_listed(self, seed: Seed) -> None:
        seed.vm(gpu_count=2)
        [first, second] = told("node", "list")
        assert first == {
            "node": "vm01", "state": "active", "seen_at": None, "vms": 1, "gpus": 8, "free_gpus": 6
        }  # fmt: skip
        assert second["vms"] == 0
        with seed.database.transaction() as tx:
            node = tx.get_one(Node, "vm02")
            node.misses, node.missed_since, node.offline_since = 3, func.now(), func.now()
        assert told("node", "list")[1]["state"] == "offline"
        assert "never" in run("node", "list")

    def test_an_empty_one_is_drained_at_once_and_taken_back(self, seed: Seed) -> None:
        assert "Node vm01 is empty." in run("node", "drain", "vm01")
        assert told("node", "list")[0]["state"] == "draining"
        assert "takes VMs again; 0 notices were called off" in run("node", "undrain", "vm01")
        assert told("node", "list")[0]["state"] == "active"

    def test_what_is_left_is_told_without_waiting(self, seed: Seed) -> None:
        running(seed, rental_type="interruptible"), running(seed)
        assert "1 on_demand, 1 interruptible left" in run("node", "drain", "vm01", "--no-wait")

    def test_waiting_gives_notices_until_nothing_is_left(
        self, seed: Seed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vm_id = running(seed, rental_type="interruptible")

        def interrupted(_: float) -> None:
            with seed.database.transaction() as tx:
                row = tx.get_one(Vm, vm_id)
                operation = tx.scalars(select(Operation).where(Operation.vm_id == vm_id)).one()
                assert operation.kind == "interrupt"
                claims.release(tx, row, because="test")
                for status in (Status.STOPPING, Status.STOPPED):
                    move(tx, row, status, actor="test", cause="test")

        monkeypatch.setattr(nodes.time, "sleep", interrupted)
        assert "Node vm01 is empty." in run("node", "drain", "vm01", "--interrupt")

    def test_leaving_does_not_end_the_drain(self, seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
        running(seed)

        def interrupt(_: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(nodes.time, "sleep", interrupt)
        assert "Node vm01: 1 on_demand left; the drain goes on." in run("node", "drain", "vm01")


class TestGpus:
    def test_one_goes_into_quarantine_and_is_released(self, seed: Seed) -> None:
        vm = seed.vm()
        assert "is now in quarantine" in run(
            "gpu", "quarantine", "vm01", "gpu-vm01-3", "--reason", "it smells"
        )
        assert "is already" in run("gpu", "quarantine", "vm01", "gpu-vm01-3", "--reason", "again")
        [bad] = told("gpu", "list", "--quarantined")
        assert (bad["mapping"], bad["quarantine_cause"], bad["quarantine_reason"]) == (
            "gpu-vm01-3",
            "operator",
            "it smells",
        )
        assert "it smells" in run("gpu", "list", "--node", "vm01")
        held = [gpu for gpu in told("gpu", "list", "--node", "vm01") if gpu["vm_id"]]
        assert [gpu["vm_id"] for gpu in held] == [str(vm.id)]
        assert len(told("gpu", "list")) == 16
        assert "is offered again" in run("gpu", "release", "vm01", "gpu-vm01-3")
        assert "is not in quarantine" in run("gpu", "release", "vm01", "gpu-vm01-3")
        with seed.database.transaction() as tx:
            assert not tx.scalars(select(Gpu).where(Gpu.health != "ok")).all()

    def test_an_unknown_one_is_an_error(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = ["innkeeper", "gpu", "quarantine", "vm01", "gpu-none", "--reason", "x"]
        monkeypatch.setattr("sys.argv", arguments)
        with pytest.raises(SystemExit):
            main.run()
        assert "There is no GPU gpu-none on node vm01" in capsys.readouterr().err


def test_findings_with_their_commands(seed: Seed) -> None:
    assert "0 findings." in run("findings")
    stuck = Found(Kind.STUCK_CLONE, "101", "VM 101 [is] stuck", "vm01", 101, command="qm unlock 101")
    missing = Found(Kind.VM_MISSING, "102", "VM 102 is missing")
    with seed.database.transaction() as tx:
        findings.record(tx, "c1", [stuck, missing])
    shown = run("findings")
    assert "VM 101 [is] stuck" in shown
    assert "# qm unlock 101" in shown
    assert "2 findings." in shown
    first, second = told("findings")
    assert (first["kind"], first["cluster"], first["node"], first["vmid"]) == (
        "stuck_clone",
        "c1",
        "vm01",
        101,
    )
    assert (second["node"], second["command"], second["vm_id"]) == (None, None, None)


def test_an_account_is_disabled_and_enabled(seed: Seed) -> None:
    for command, disabled in (("disable", True), ("enable", False)):
        assert f"guest@example.org is {command}d" in run("user", command, "guest@example.org")
        with seed.database.transaction() as tx:
            assert (users.find(tx, "guest@example.org").disabled_at is not None) is disabled
