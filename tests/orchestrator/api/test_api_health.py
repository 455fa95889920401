"""/healthz, /readyz and /metrics."""

import time

from pydantic import SecretStr
from sqlalchemy import func, text, update

from orchestrator.api.app import create_app
from orchestrator.catalog.models import Node
from orchestrator.embedded import free_port
from orchestrator.fleet import findings
from orchestrator.fleet.comparison import Found, Kind
from orchestrator.gpus.quarantine import quarantine
from orchestrator.scheduler.duties import run_duty
from orchestrator.store.database import Database


def test_healthy_and_ready(client):
    for path in ("/healthz", "/readyz"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_not_ready_without_the_broker_but_renting_goes_on(make_client, make_caller, seed):
    client = make_client(broker_url=SecretStr(f"redis://127.0.0.1:{free_port()}/0"))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "detail": "Not ready: the broker does not answer.",
        "code": "not_ready",
        "parts": {"database": "ok", "broker": "does not answer"},
    }
    assert client.get("/healthz").status_code == 200
    bearer = {"Authorization": f"Bearer {make_caller().key}"}
    assert client.post("/vms", json=seed.body(), headers=bearer).status_code == 201


def test_not_ready_with_another_schema(client, seed):
    with seed.database.transaction() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["database"] == "has another schema: run `innkeeper db upgrade`"


def test_without_the_database_only_the_process_is_healthy(settings, seed, contract):
    from tests.orchestrator.api.conftest import TestClient

    nowhere = Database(f"postgresql+psycopg://innkeeper@127.0.0.1:{free_port()}/innkeeper")
    client = TestClient(create_app(settings, nowhere), raise_server_exceptions=False)
    client.event_hooks = {"response": [contract.check]}
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json()["parts"] == {"database": "does not answer", "broker": "ok"}
    for path in ("/search", "/metrics"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    answer = client.get("/vms", headers={"Authorization": "Bearer nv_live_x"})
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    nowhere.close()


def test_metrics_tell_of_the_duties(client, seed):
    def fail(_):
        raise LookupError("for the test")

    began = time.time()
    run_duty(seed.database, "wake", lambda _: "done")
    run_duty(seed.database, "sweep", fail)
    figures = dict(
        line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if "duty=" in line
    )
    assert figures['innkeeper_duty_failures_total{duty="wake"}'] == "0.0"
    assert figures['innkeeper_duty_failures_total{duty="sweep"}'] == "1.0"
    last = float(figures['innkeeper_duty_last_run_timestamp_seconds{duty="wake"}'])
    assert began - 1 <= last <= time.time() + 1


def test_metrics_tell_the_state_of_the_whole(caller, client, seed):
    empty = client.get("/metrics").text
    assert 'innkeeper_free_gpus{gpu_type="5090",node="vm01"} 8.0' in empty
    assert "innkeeper_oldest_due_operation_seconds 0.0" in empty
    for _ in range(8):
        caller("POST", "/vms", json=seed.body())
    answer = client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for line in (
        'innkeeper_vms{status="creating"} 8.0',
        'innkeeper_operations{kind="create",parked_for="",state="open"} 8.0',
        'innkeeper_free_gpus{gpu_type="5090",node="vm01"} 0.0',
        'innkeeper_free_gpus{gpu_type="5090",node="vm02"} 8.0',
        "innkeeper_rate_limit_uncounted_total 0.0",
    ):
        assert line in answer.text
    oldest = [line for line in answer.text.splitlines() if line.startswith("innkeeper_oldest_due")]
    assert float(oldest[0].split()[1]) > 0


def test_metrics_tell_of_nodes_findings_and_quarantine(client, seed):
    with seed.database.transaction() as tx:
        gone = {"misses": 3, "missed_since": func.now(), "offline_since": func.now()}
        tx.execute(update(Node).where(Node.id == "vm01").values(**gone))
        findings.record(tx, "c1", [Found(Kind.LEFTOVER_DISK, "local-zfs:vm-1-disk-0", "It is left.")])
        quarantine(tx, "vm02", "gpu-vm02-0", cause="foreign", reason="for the test")
    figures = client.get("/metrics").text
    for line in (
        "innkeeper_nodes_offline 1.0",
        'innkeeper_findings{kind="leftover_disk"} 1.0',
        'innkeeper_findings{kind="gpu_held"} 0.0',
        'innkeeper_quarantined_gpus{cause="foreign"} 1.0',
        'innkeeper_quarantined_gpus{cause="mapping"} 0.0',
        'innkeeper_free_gpus{gpu_type="5090",node="vm02"} 7.0',
    ):
        assert line in figures
