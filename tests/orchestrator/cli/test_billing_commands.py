"""`innkeeper spend`, `usage` and `reservation`, against an API in this process."""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from typer.testing import CliRunner

from orchestrator.accounts import api_keys
from orchestrator.api.app import create_app
from orchestrator.cli import billing, main
from orchestrator.cli.client import ApiRefused, Client
from orchestrator.settings import Settings
from tests.orchestrator.billing.walks import TO_RUNNING, bring, row, shift
from tests.seed import Seed

with warnings.catch_warnings():  # Starlette would rather have httpx2, which the project does not use
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

Run = Callable[..., str]


@pytest.fixture
def run(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command as the seeded account; what it writes to stdout."""
    with seed.database.transaction() as tx:
        key = api_keys.create(tx, seed.user_id).text
    app = create_app(Settings(password_rounds=1000, _env_file=None), seed.database)
    with TestClient(app, headers={"Authorization": f"Bearer {key}"}) as http:

        @contextmanager
        def connect() -> Iterator[Client]:
            client = Client("http://nowhere", key)
            client.close()
            client._http = http
            yield client

        monkeypatch.setattr(billing, "connect", connect)

        def command(*arguments: str, answer: str | None = None) -> str:
            ended = CliRunner().invoke(main.app, list(arguments), input=answer)
            if ended.exception is not None and not isinstance(ended.exception, SystemExit):
                raise ended.exception
            return ended.stdout

        yield command


@pytest.fixture
def vm_id(seed: Seed) -> UUID:
    """Reserved for a month, a third of which is over."""
    vm = seed.vm(rental_type="reserved", reservation_months=1)
    bring(seed, vm.id, *TO_RUNNING)
    shift(seed, vm.id, timedelta(days=10))
    return vm.id


def test_spend(run: Run, vm_id: UUID) -> None:
    shown = run("spend")
    assert str(vm_id) in shown
    assert "0.4800 USD an hour, 11.52 a day, 345.60 in 30 days" in shown
    assert json.loads(run("spend", "--json"))["running_vms"] == 1


def test_usage_of_days_and_of_one_vm(run: Run, vm_id: UUID) -> None:
    told = json.loads(run("usage", "--from", "2026-01-01", "--vm", str(vm_id), "--json"))
    assert told["total_hours"] == pytest.approx(240, abs=0.1)
    shown = run("usage", "--from", "2026-01-01")
    assert f"{told['total_hours']:.2f}" in shown
    assert f"{told['total_cost']:.2f} USD for 240.0" in shown
    assert str(vm_id) not in run("usage", "--from", "2020-01-01", "--to", "2020-01-01")


def test_a_quote(run: Run) -> None:
    asked = ("reservation", "quote", "--gpu-type", "5090", "--months", "6", "--gpu-count", "8")
    assert json.loads(run(*asked, "--json"))["discount_percent"] == 20.0
    assert "hourly_rate_after_discount  3.205" in run(*asked)
    with pytest.raises(ApiRefused, match="gpu_type"):
        run("reservation", "quote", "--gpu-type", "x", "--months", "6")


def test_cancelling_shows_the_fee_and_asks_first(run: Run, seed: Seed, vm_id: UUID) -> None:
    term = str(row(seed, vm_id).reservation_id)
    assert term in run("reservation", "list", "--state", "active")
    assert "cancelled" not in run("reservation", "cancel", term, answer="n\n")
    assert row(seed, vm_id).rental_type == "reserved"
    assert "cancelled" in run("reservation", "cancel", term, answer="y\n")
    assert row(seed, vm_id).rental_type == "on_demand"
    assert json.loads(run("reservation", "cancel", term, "--yes", "--json"))["state"] == "cancelled"
    [listed] = json.loads(run("reservation", "list", "--json"))
    assert listed["cancellation_fee"] == pytest.approx(57, abs=0.01)
    assert "57.00" in run("reservation", "list")
