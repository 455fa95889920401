"""Admission and submission against a real database."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from orchestrator.accounts.models import IdempotencyKey, SshKey, User
from orchestrator.billing.models import Reservation
from orchestrator.catalog.models import Cluster, Gpu, GpuType, Node, Template
from orchestrator.errors import (
    IdempotencyMismatch,
    InnkeeperError,
    InsufficientCapacity,
    InvalidRequest,
    NotReady,
    QuotaExceeded,
    StateConflict,
    Unauthenticated,
)
from orchestrator.gpus import claims
from orchestrator.intake.request import VmRequest
from orchestrator.store.database import Database, Transaction
from orchestrator.vms import addresses
from orchestrator.vms.models import Event, Operation, Vm, Vmid
from orchestrator.vms.pipelines import Kind, Step
from tests.seed import PASSWORD, PUBLIC_KEY, Seed, seed_catalog


def test_an_accepted_request_is_a_vm_with_claims_an_operation_and_a_ring(seed: Seed) -> None:
    vm = seed.vm(gpu_count=4, storage_gb=200)
    assert (vm.status, vm.vmid, vm.cluster_id) == ("creating", 100_000, "c1")
    assert (vm.cpu_cores, vm.ram_gb) == (32, 256)
    assert vm.gpu_hourly_rate == Decimal("2.0")
    assert vm.storage_hourly_rate == Decimal("0.02")
    assert vm.ssh_public_key == PUBLIC_KEY
    assert vm.auto_restart is None
    assert vm.created_at is not None
    [ring] = seed.bell.rung
    assert (ring.vm_id, ring.node_id, ring.kind, ring.step, ring.attempt) == (
        vm.id,
        "vm01",
        Kind.CREATE,
        Step.RESERVE,
        1,
    )
    with seed.database.transaction() as tx:
        assert len(claims.held_mappings(tx, tx.get_one(Vm, vm.id))) == 4
        assert tx.scalars(select(Event.text).where(Event.vm_id == vm.id)).all() == ["accepted"]


def test_interruptible_vms_restart_by_themselves(seed: Seed) -> None:
    vm = seed.vm(rental_type="interruptible")
    assert vm.auto_restart is True
    assert vm.gpu_hourly_rate == Decimal("0.2")


def test_a_reserved_vm_comes_with_its_term(seed: Seed) -> None:
    vm = seed.vm(rental_type="reserved", reservation_months=6)
    with seed.database.transaction() as tx:
        term = tx.get_one(Reservation, vm.reservation_id)
        assert (term.months, term.gpu_count, term.discount_percent) == (6, 1, 20)
        assert (term.ends_at - term.starts_at).days == 180
        assert term.deposit > 0


def test_a_password_is_stored_as_its_crypt_hash_alone(seed: Seed) -> None:
    vm = seed.vm(auth_method="password", password=PASSWORD)
    assert vm.password_hash is not None
    assert vm.password_hash.startswith("$6$rounds=1000$")
    assert PASSWORD not in dump(seed.database)


def dump(database: Database) -> str:
    """All rows of all tables, as text."""
    with database.transaction() as tx:
        names = tx.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        return "\n".join(
            str(row) for name in names for row in tx.execute(text(f'SELECT t::text FROM "{name}" t'))
        )


Change = Callable[[Transaction], Any]


@pytest.mark.parametrize(
    ("change", "body", "error", "words"),
    [
        pytest.param(None, {"node": "vm09"}, InvalidRequest, "no node vm09", id="unknown node"),
        pytest.param(
            update(Node).values(retired_at=func.now()), {}, InvalidRequest, "no node vm01", id="retired node"
        ),
        pytest.param(
            update(Node).values(state="draining"), {}, StateConflict, "being drained", id="draining node"
        ),
        pytest.param(None, {"gpu_type": "3090"}, InvalidRequest, "no GPU type 3090", id="unknown GPU type"),
        pytest.param(
            update(GpuType).values(retired_at=func.now()),
            {},
            InvalidRequest,
            "no GPU type 5090",
            id="retired GPU type",
        ),
        pytest.param(None, {"gpu_type": "4090"}, InvalidRequest, "has 0 GPUs of type 4090", id="not there"),
        pytest.param(
            update(Gpu).where(Gpu.id > 2).values(retired_at=func.now()),
            {"gpu_count": 4},
            InvalidRequest,
            "has 2 GPUs of type 5090 in all, not 4",
            id="never so many",
        ),
        pytest.param(None, {"template_vmid": 101}, InvalidRequest, "no template 101", id="unknown template"),
        pytest.param(
            update(Template).values(retired_at=func.now()),
            {},
            InvalidRequest,
            "no template 100",
            id="retired",
        ),
        pytest.param(
            update(Template).values(disk_gb=80), {}, InvalidRequest, "at least 80 GB", id="template is larger"
        ),
        pytest.param(
            update(Template).values(auth_methods=["ssh_key"]),
            {"auth_method": "password", "password": PASSWORD},
            InvalidRequest,
            "does not support auth_method password",
            id="template knows no passwords",
        ),
        pytest.param(None, {"ssh_key_id": "nonsense"}, InvalidRequest, "is not a key id", id="bad key id"),
        pytest.param(
            None,
            {"ssh_key_id": "00000000-0000-0000-0000-000000000000"},
            InvalidRequest,
            "no such SSH key",
            id="unknown key",
        ),
        pytest.param(
            text("DELETE FROM ssh_keys"), {}, InvalidRequest, "no SSH key yet; POST /ssh-keys", id="no key"
        ),
        pytest.param(
            update(User).values(max_vms=0), {}, QuotaExceeded, "may have 0 VMs and has 0", id="max_vms"
        ),
        pytest.param(
            update(User).values(max_hourly_spend=Decimal("0.504")),
            {},
            QuotaExceeded,
            "may spend 0.504000 an hour; its VMs cost 0",
            id="max_hourly_spend",
        ),
        pytest.param(
            update(User).values(disabled_at=func.now()), {}, Unauthenticated, "disabled", id="disabled"
        ),
        pytest.param(text("DELETE FROM price_list"), {}, NotReady, "catalog apply", id="no catalog"),
        pytest.param(
            update(Cluster).values(vmid_next=200_000),
            {},
            InsufficientCapacity,
            "no VMID left",
            id="no VMID left",
        ),
    ],
)
def test_refused_in_words_and_nothing_is_left(
    seed: Seed, change: Any, body: dict[str, Any], error: type[InnkeeperError], words: str
) -> None:
    if change is not None:
        with seed.database.transaction() as tx:
            tx.execute(change)
    with pytest.raises(error, match=words):
        seed.vm(**body)
    with seed.database.transaction() as tx:
        for table in (Vm, Vmid, Operation, Event, Reservation):
            assert tx.scalar(select(func.count()).select_from(table)) == 0, table
    assert seed.bell.rung == []


def test_a_named_key_is_used(seed: Seed) -> None:
    with seed.database.transaction() as tx:
        key = SshKey(
            user_id=seed.user_id, slot=2, label="b", key_type="x", public_key="second", fingerprint="y"
        )
        tx.add(key)
        tx.flush()
        key_id = str(key.id)
    assert seed.vm().ssh_public_key == PUBLIC_KEY, "the oldest one by default"
    assert seed.vm(ssh_key_id=key_id).ssh_public_key == "second"


def test_ended_vms_do_not_count_against_the_quota(seed: Seed) -> None:
    with seed.database.transaction() as tx:
        tx.execute(update(User).values(max_vms=1))
    vm_id = seed.vm().id
    with pytest.raises(QuotaExceeded):
        seed.vm()
    with seed.database.transaction() as tx:
        vm = tx.get_one(Vm, vm_id)
        tx.execute(update(Operation).values(state="done", finished_at=func.now()))
        claims.release(tx, vm, because="test")
        vm.status = "destroyed"
    seed.vm()


def test_vmids_are_never_given_twice(seed: Seed) -> None:
    assert [seed.vm().vmid for _ in range(3)] == [100_000, 100_001, 100_002]


def test_static_addresses_go_round_until_none_is_free(database: Database) -> None:
    seed = seed_catalog(database, static=True)
    first, second = seed.vm(), seed.vm()
    with database.transaction() as tx:
        held = [addresses.held(tx, vm) for vm in (first, second)]
        assert held == ["127.65.1.10", "127.65.1.11"]
    with pytest.raises(InsufficientCapacity, match="no free address"):
        seed.vm()
    with database.transaction() as tx:
        addresses.free(tx, first)
    seed.vm()


class TestIdempotencyKey:
    def submit(self, seed: Seed, **changes: Any) -> tuple[Any, bool]:
        done = seed.intake.submit(seed.user_id, VmRequest(**seed.body(**changes)), idempotency_key="order-1")
        return done.vm.id, done.created

    def test_the_same_request_gives_the_same_vm(self, seed: Seed) -> None:
        first, created = self.submit(seed)
        again, repeated = self.submit(seed)
        assert (first, created, repeated) == (again, True, False)
        assert len(seed.bell.rung) == 1

    def test_another_body_is_refused(self, seed: Seed) -> None:
        self.submit(seed)
        with pytest.raises(IdempotencyMismatch):
            self.submit(seed, storage_gb=60)

    def test_another_password_is_refused(self, seed: Seed) -> None:
        secret = {"auth_method": "password", "password": PASSWORD}
        assert self.submit(seed, **secret)[0] == self.submit(seed, **secret)[0]
        with pytest.raises(IdempotencyMismatch):
            self.submit(seed, **{**secret, "password": PASSWORD + "!"})

    def test_after_a_day_the_key_is_free(self, seed: Seed) -> None:
        first, _ = self.submit(seed)
        with seed.database.transaction() as tx:
            tx.execute(
                update(IdempotencyKey).values(created_at=func.now() - text("interval '24 hours 1 second'"))
            )
        assert self.submit(seed, storage_gb=60)[0] != first
