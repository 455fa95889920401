"""GET /vms/{id}/explain: why a VM is not yet what was asked for, told to its owner alone."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from orchestrator.accounts.models import User
from orchestrator.scheduler.reclaim import reclaim_on
from orchestrator.settings import Settings
from orchestrator.vms import operations
from orchestrator.vms.models import Operation, Vm
from tests.orchestrator.api.conftest import Caller
from tests.orchestrator.scheduler.life import Life
from tests.seed import PUBLIC_KEY, Seed

NOTICE = Settings(interruption_notice_seconds=120, _env_file=None)


@pytest.fixture
def stranger(make_caller: Callable[..., Caller], seed: Seed) -> Life:
    """Another account, and VMs of it with a name that gives it away."""
    caller = make_caller("stranger@example.org")
    assert caller("POST", "/ssh-keys", json={"ssh_public_key": PUBLIC_KEY}).status_code == 201
    return Life(replace(seed, user_id=caller.user_id))


def strangers_vm(stranger: Life, **changes: Any) -> Vm:
    vm = stranger.running(**changes)
    with stranger.seed.database.transaction() as tx:
        tx.execute(update(Vm).where(Vm.id == vm.id).values(instance_label="secret project"))
    return vm


def told(caller: Caller, vm_id: Any) -> Any:
    answer = caller("GET", f"/vms/{vm_id}/explain")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_what_a_new_vm_waits_for(caller: Caller, seed: Seed) -> None:
    vm_id = caller("POST", "/vms", json=seed.body()).json()["id"]
    seen = told(caller, vm_id)
    assert (seen["status"], seen["reason"]) == ("creating", "worker")
    assert seen["waits_for"] == "reserve waits for a worker of node vm01"
    assert (seen["operation"], seen["step"], seen["attempt"], seen["state"]) == (
        "create",
        "reserve",
        0,
        "open",
    )
    assert (seen["parked_for"], seen["last_error"], seen["next_try_at"]) == (None, None, None)
    assert seen["since"].endswith("Z")
    assert (seen["estimate_seconds"], seen["place_in_line"]) == (None, None)


def test_a_step_that_is_tried_again(caller: Caller, seed: Seed) -> None:
    vm_id = caller("POST", "/vms", json=seed.body()).json()["id"]
    ref = seed.bell.rung[-1]
    with seed.database.transaction() as tx:
        lease = operations.take(tx, ref.id, ref.step, owner="test", seconds=60)
        assert lease is not None
        operations.back_off(tx, operations.held(tx, lease)[0], seconds=60, error="the node is busy")
    seen = told(caller, vm_id)
    assert (seen["reason"], seen["last_error"]) == ("retry", "the node is busy")
    assert seen["next_try_at"] > seen["since"]
    assert [one["text"] for one in seen["blocked_by"]] == ["the node is busy"]


def test_a_vm_that_needs_nothing(caller: Caller, seed: Seed) -> None:
    seen = told(caller, Life(seed).running().id)
    assert (seen.pop("status"), seen.pop("reason")) == ("running", "wants_nothing")
    assert all(value in (None, []) for value in seen.values())


def test_who_waits_for_gpus_sees_own_vms_by_id_and_others_in_sums(
    caller: Caller, seed: Seed, stranger: Life
) -> None:
    own = Life(seed).running(gpu_count=2)
    strangers_vm(stranger, gpu_count=2)
    strangers_vm(stranger, gpu_count=4, rental_type="interruptible")
    stranger.vm(gpu_count=2)
    waiter = seed.vm(gpu_count=2)
    reclaim_on(seed.database, NOTICE, "vm01")
    seen = told(caller, waiter.id)
    assert (seen["reason"], seen["place_in_line"], seen["line_length"]) == ("reclaim", 2, 2)
    assert [(one["kind"], one["vm_id"], one["vms"], one["gpus"]) for one in seen["blocked_by"]] == [
        ("own_vm", str(own.id), 1, 2),
        ("other_vms", None, 1, 4),
        ("other_vms", None, 1, 2),
        ("line", None, 1, 2),
    ]
    assert seen["blocked_by"][1]["until"].endswith("Z")


def nothing_of(stranger: Life, text: str) -> None:
    """No VM, user or label of another account is in an answer."""
    with stranger.seed.database.transaction() as tx:
        vms = tx.scalars(select(Vm).where(Vm.user_id == stranger.seed.user_id)).all()
        user = tx.get_one(User, stranger.seed.user_id)
        operation_ids = tx.scalars(select(Operation.id).where(Operation.vm_id.in_(vm.id for vm in vms))).all()
    secrets = [str(vm.id) for vm in vms] + [str(vm.vmid) for vm in vms] + [str(one) for one in operation_ids]
    assert secrets
    for secret in [*secrets, user.email, "stranger", "secret project"]:
        assert secret not in text


def test_nothing_of_other_accounts_is_told(caller: Caller, seed: Seed, stranger: Life) -> None:
    """Whatever the VM waits for: its GPUs are held by others, it displaces others, others displace it."""
    victim = Life(seed).running(gpu_count=4, rental_type="interruptible")
    strangers_vm(stranger, gpu_count=2, rental_type="interruptible")
    strangers_vm(stranger, gpu_count=2)
    asks = seed.body(gpu_count=8)
    texts = [caller("POST", "/vms?dry_run=true", json=asks).text]
    asks = seed.body(gpu_count=4)
    texts += [caller("POST", "/vms?dry_run=true", json=asks).text]
    taker = stranger.vm(gpu_count=4)
    reclaim_on(seed.database, NOTICE, "vm01")
    texts += [caller("GET", f"/vms/{victim.id}/explain").text]
    Life(seed).interrupted(victim)
    stranger.finish(taker)
    texts += [caller("GET", f"/vms/{victim.id}/explain").text]
    waiter = seed.vm(gpu_count=2)
    texts += [caller("GET", f"/vms/{waiter.id}/explain").text]
    reclaim_on(seed.database, NOTICE, "vm01")
    texts += [caller("GET", f"/vms/{waiter.id}/explain").text]
    texts += [caller("POST", "/vms?dry_run=true", json=seed.body(gpu_count=8)).text]
    assert sum('"reason"' in text for text in texts) == 4
    for text in texts:
        nothing_of(stranger, text)


def test_reading_is_enough_for_it(make_caller: Callable[..., Caller], seed: Seed) -> None:
    vm = seed.vm()
    assert told(make_caller(scopes=("read_only",)), vm.id)["reason"] == "worker"
    assert make_caller(scopes=("billing_only",))("GET", f"/vms/{vm.id}/explain").status_code == 403


def test_a_waiter_that_was_displaced_from_its_place_is_told_its_new_one(caller: Caller, seed: Seed) -> None:
    for _ in range(2):
        Life(seed).running(gpu_count=4, rental_type="interruptible")
    first, second = seed.vm(gpu_count=4), seed.vm(gpu_count=4)
    assert told(caller, second.id)["place_in_line"] == 2
    assert caller("DELETE", f"/vms/{first.id}").status_code == 204
    assert (told(caller, second.id)["place_in_line"], told(caller, second.id)["line_length"]) == (1, 1)
