"""/templates, /nodes, /search and /pricing."""

from sqlalchemy import func, update

from orchestrator.catalog.models import Gpu, Node, PriceList, Template


def test_templates_say_where_they_can_be_cloned(caller, seed):
    template = {
        "template_vmid": 100,
        "name": "ubuntu-22.04",
        "description": "",
        "min_storage_gb": 10,
        "login_user": "ubuntu",
        "auth_methods": ["ssh_key", "password"],
        "nodes": ["vm01", "vm02"],
    }
    assert caller("GET", "/templates").json() == [template]
    with seed.database.transaction() as tx:
        tx.execute(update(Template).values(retired_at=func.now()))
    assert caller("GET", "/templates").json() == []


def test_nodes_say_what_they_have_and_what_is_free(caller, seed):
    caller("POST", "/vms", json=seed.body(gpu_count=2))
    first, second = caller("GET", "/nodes").json()
    assert first == {
        "node": "vm01",
        "state": "active",
        "cpu_model": "EPYC",
        "pcie_gen": "5.0",
        "cpu_cores": 66,
        "ram_gb": 520,
        "gpus": [{"gpu_type": "5090", "total": 8, "free": 6}],
    }
    assert second["gpus"] == [{"gpu_type": "5090", "total": 8, "free": 8}]


def test_search_is_public_and_tells_what_is_free_now(client, caller, seed):
    caller("POST", "/vms", json=seed.body(gpu_count=8))
    with seed.database.transaction() as tx:
        tx.execute(
            update(Gpu)
            .where(Gpu.mapping == "gpu-vm02-0")
            .values(health="quarantined", quarantine_cause="start", quarantine_reason="it hangs")
        )
    first, second = client.get("/search").json()
    assert first == {
        "node": "vm01",
        "gpu_type": "5090",
        "gpu_count": 0,
        "gpu_ram_mb": 32_768,
        "gpu_price_hourly": 0.5,
        "interruptible_rate": 0.2,
        "available": False,
        "location": None,
    }
    assert (second["node"], second["gpu_count"], second["available"]) == ("vm02", 7, True)


def test_nothing_is_available_on_a_drained_node(client, seed):
    with seed.database.transaction() as tx:
        tx.execute(update(Node).values(state="draining"))
    assert [(offer["gpu_count"], offer["available"]) for offer in client.get("/search").json()] == [
        (8, False)
    ] * 2


def test_a_node_that_does_not_answer_says_so_and_takes_no_vms(caller, client, seed):
    with seed.database.transaction() as tx:
        gone = {"misses": 3, "missed_since": func.now(), "offline_since": func.now()}
        tx.execute(update(Node).where(Node.id == "vm01").values(state="draining", **gone))
    assert [node["state"] for node in caller("GET", "/nodes").json()] == ["offline", "active"]
    assert [offer["available"] for offer in client.get("/search").json()] == [False, True]
    answer = caller("POST", "/vms", json=seed.body())
    assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")
    assert "does not answer" in answer.json()["detail"]


def test_pricing_is_public(client, seed):
    assert client.get("/pricing").json() == {
        "currency": "USD",
        "gpus": {"4090": 0.3, "5090": 0.5},
        "interruptible": {"4090": 0.1, "5090": 0.2},
        "storage_gb_hourly": 0.0001,
        "reservation_discount_percent": {"1": 5.0, "3": 10.0, "6": 20.0},
        "deposit_percent": 25.0,
        "cancellation_percent": 25.0,
    }


def test_before_a_catalog_was_applied_there_are_no_prices(client, seed):
    with seed.database.transaction() as tx:
        tx.delete(tx.get_one(PriceList, 1))
    answer = client.get("/pricing")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
