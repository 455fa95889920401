"""The command: help, accounts, catalog, and errors without tracebacks."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli import keypair, main
from orchestrator.cli.simulated import catalog_lines
from orchestrator.embedded import EmbeddedPostgres
from simulator import demo_config
from simulator.catalog import catalog

runner = CliRunner()


@pytest.fixture
def empty(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty database by its URL."""
    monkeypatch.setenv("INNKEEPER_DATABASE_URL", postgres.fresh_database())


@pytest.fixture
def upgraded(empty: None) -> None:
    """The same with the newest schema."""
    assert runner.invoke(main.app, ["db", "upgrade"]).exit_code == 0


@pytest.fixture
def catalog_file(tmp_path: Path) -> Path:
    """The catalog of a simulated cluster."""
    facts = {
        "url": "https://127.0.0.1:8006",
        "token_id": "innkeeper@pve!orchestrator",
        "ca_path": "/tmp/ca.pem",
        "ssh_port": 22,
        "catalog": catalog(demo_config(nodes=3)),
    }
    path = tmp_path / "catalog.toml"
    path.write_text("\n".join(catalog_lines(facts)))
    return path


def test_help_names_every_command() -> None:
    shown = runner.invoke(main.app, ["--help"]).output
    for command in ("up", "demo", "vm", "catalog", "user", "key", "db", "sim", "api", "worker", "scheduler"):
        assert command in shown


@pytest.mark.parametrize(
    "group", ["up", "demo", "vm create", "catalog apply", "user add", "key create", "worker"]
)
def test_every_command_explains_itself(group: str) -> None:
    assert "Usage" in runner.invoke(main.app, [*group.split(), "--help"]).output


def test_a_catalog_is_checked_and_applied_twice(upgraded: None, catalog_file: Path) -> None:
    checked = runner.invoke(main.app, ["catalog", "check", str(catalog_file)])
    assert "1 clusters, 3 nodes: no fault found" in checked.output
    assert "node vm01: added" in runner.invoke(main.app, ["catalog", "apply", str(catalog_file)]).output
    assert "nothing to change" in runner.invoke(main.app, ["catalog", "apply", str(catalog_file)]).output


def test_an_account_and_its_key(upgraded: None) -> None:
    assert "User 1: me@example.org" in runner.invoke(main.app, ["user", "add", "me@example.org"]).output
    made = runner.invoke(main.app, ["key", "create", "me@example.org", "--json", "--days", "30"])
    assert json.loads(made.output)["api_key"].startswith("nv_live_")
    assert "not stored" in runner.invoke(main.app, ["key", "create", "me@example.org"]).output


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The command as a person runs it: what it writes to stderr; it must fail."""
    monkeypatch.setattr("sys.argv", ["innkeeper", *arguments])
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 1
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err + shown.out
    return shown.err


def test_errors_are_one_line_without_a_traceback(
    empty: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "run this beside a running `innkeeper up`" in run(monkeypatch, capsys, "vm", "list")
    assert "cannot be read" in run(monkeypatch, capsys, "catalog", "check", "missing.toml")
    assert "innkeeper db upgrade" in run(monkeypatch, capsys, "user", "add", "me@example.org")
    monkeypatch.setenv("INNKEEPER_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("INNKEEPER_API_KEY", "nv_live_x")
    assert "The API does not answer" in run(monkeypatch, capsys, "vm", "list")


def test_a_key_pair_is_private_and_readable_by_ssh(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert keypair.make(path).startswith("ssh-ed25519 ")
    assert path.stat().st_mode & 0o777 == 0o600
    assert "OPENSSH PRIVATE KEY" in path.read_text()
