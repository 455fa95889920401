"""A password that is sent is found nowhere afterwards; API keys are kept as digests."""

import logging

from sqlalchemy import text

from orchestrator.intake.submit import Intake

PASSWORD = "tr0ub4dor and three more"
BY_PASSWORD = {"auth_method": "password", "password": PASSWORD}


def all_rows(database):
    """Every row of every table, as text."""
    with database.transaction() as tx:
        tables = tx.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        return "\n".join(
            row for table in tables for row in tx.scalars(text(f'SELECT t::text FROM "{table}" t'))
        )


def test_a_password_is_found_nowhere(caller, seed, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    key = {"Idempotency-Key": "once"}
    texts = [
        caller("POST", "/vms", json=seed.body(**BY_PASSWORD), headers=key).text,
        caller("POST", "/vms", json=seed.body(**BY_PASSWORD, gpu_count=2), headers=key).text,
        caller("POST", "/vms", json=seed.body(password=PASSWORD)).text,
        caller("POST", "/vms", json=seed.body(**BY_PASSWORD, gpu_count=3)).text,
        caller("POST", "/vms", json=seed.body(**BY_PASSWORD, node="vm99")).text,
        caller("POST", "/vms", json=seed.body(auth_method="password", password=[PASSWORD])).text,
        caller("POST", "/vms", content=f'{{"password": "{PASSWORD}", ').text,
        caller("POST", "/vms", content=f'"{PASSWORD}"').text,
        caller("GET", "/vms").text,
    ]
    vm_id = caller("GET", "/vms").json()[0]["id"]
    texts += [caller("GET", f"/vms/{vm_id}{rest}").text for rest in ("", "/events", "/explain")]
    assert "$6$" in all_rows(seed.database)
    texts += [all_rows(seed.database), repr(seed.bell.rung)]

    def broken(self, user_id, request, **_):
        raise RuntimeError(f"in the middle of {request!r}")

    monkeypatch.setattr(Intake, "submit", broken)
    texts.append(caller("POST", "/vms", json=seed.body(**BY_PASSWORD)).text)
    texts += [caplog.text, *(repr(record.__dict__) for record in caplog.records)]
    for place in texts:
        assert PASSWORD not in place
    assert not any("$6$" in place for place in texts[:12])


def test_an_api_key_is_kept_as_its_digest(caller, seed, caplog):
    caplog.set_level(logging.DEBUG)
    key = caller("POST", "/auth/api-key", json={}).json()["api_key"]
    kept = all_rows(seed.database)
    for secret in (key, key.removeprefix("nv_live_"), caller.key):
        assert secret not in kept
        assert secret not in caplog.text
