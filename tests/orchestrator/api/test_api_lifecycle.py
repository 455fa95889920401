"""Start, stop, restart and change a VM over HTTP."""

from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from orchestrator.gpus import claims
from orchestrator.vms.models import Event, Operation, Vm
from orchestrator.vms.pipelines import Kind
from orchestrator.vms.statuses import Status
from orchestrator.vms.transitions import move

TO_RUNNING = (Status.STARTING, Status.RUNNING)
TO_STOPPED = (*TO_RUNNING, Status.STOPPING, Status.STOPPED)
CALLS = [
    ("POST", "/vms/{}/start"),
    ("POST", "/vms/{}/stop"),
    ("POST", "/vms/{}/restart"),
    ("PATCH", "/vms/{}"),
]


@pytest.fixture
def rent(caller, seed):
    """Rents a VM and brings it to a status; nothing is under way then."""

    def make(road=(), **changes):
        vm_id = caller("POST", "/vms", json=seed.body(**changes)).json()["id"]
        with seed.database.transaction() as tx:
            mine = update(Operation).where(Operation.vm_id == vm_id)
            tx.execute(mine.values(state="done", finished_at=func.now()))
            vm = tx.get_one(Vm, vm_id)
            if road and road[-1] is not Status.RUNNING:
                vm.failure_reason = "its card fell off the bus"
                claims.release(tx, vm, because="test")
            for status in road:
                move(tx, vm, status, actor="innkeeper", cause="test")
        seed.bell.rung.clear()
        return vm_id

    return make


def kinds(seed):
    return [ref.kind for ref in seed.bell.rung]


def test_a_running_vm_is_stopped_once(caller, seed, rent):
    vm_id = rent(TO_RUNNING)
    for _ in range(2):
        answer = caller("POST", f"/vms/{vm_id}/stop")
        assert (answer.status_code, answer.json()["id"], answer.json()["status"]) == (200, vm_id, "stopping")
    assert kinds(seed) == [Kind.STOP]


def test_a_stopped_vm_is_started_once(caller, seed, rent):
    vm_id = rent(TO_STOPPED)
    for _ in range(2):
        answer = caller("POST", f"/vms/{vm_id}/start")
        assert (answer.status_code, answer.json()["status"]) == (200, "starting")
    assert kinds(seed) == [Kind.START]


def test_a_running_vm_is_restarted_once(caller, seed, rent):
    vm_id = rent(TO_RUNNING)
    for _ in range(2):
        answer = caller("POST", f"/vms/{vm_id}/restart")
        assert (answer.status_code, answer.json()["status"]) == (200, "stopping")
    assert kinds(seed) == [Kind.RESTART]


def test_what_cannot_be_is_refused_with_what_goes_on(caller, seed, rent):
    vm_id = rent(TO_STOPPED)
    answer = caller("POST", f"/vms/{vm_id}/restart")
    assert answer.status_code == 409
    assert answer.json() == {
        "detail": f"VM {vm_id} is stopped: start it.",
        "code": "state_conflict",
        "status": "stopped",
        "operation": None,
    }
    assert kinds(seed) == []


def test_a_start_without_room_says_what_is_free(caller, seed, rent):
    vm_id = rent(TO_STOPPED)
    caller("POST", "/vms", json=seed.body(gpu_count=8))
    answer = caller("POST", f"/vms/{vm_id}/start").json()
    assert (answer["code"], answer["free"], answer["needed"]) == ("insufficient_capacity", 0, 1)


@pytest.mark.parametrize("road", [TO_STOPPED, (*TO_STOPPED[:-1], Status.INTERRUPTED), (Status.FAILED,)])
def test_a_vm_that_is_off_says_why_it_was_given_up(caller, rent, road):
    vm_id = rent(road)
    assert caller("GET", f"/vms/{vm_id}").json()["failure_reason"] == "its card fell off the bus"


def test_while_it_starts_again_the_old_reason_is_not_told(caller, rent):
    vm_id = rent(TO_STOPPED)
    assert caller("POST", f"/vms/{vm_id}/start").json()["failure_reason"] is None


def test_a_body_is_not_needed_and_not_read(caller, rent):
    assert caller("POST", f"/vms/{rent(TO_RUNNING)}/stop", json={"force": True}).status_code == 200


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_vm_of_somebody_else_is_not_there(caller, make_caller, seed, rent, method, path):
    vm_id, unknown_id = rent(TO_RUNNING), str(uuid4())
    stranger = make_caller("stranger@example.org")
    foreign, unknown = (stranger(method, path.format(one)) for one in (vm_id, unknown_id))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.text.replace(vm_id, unknown_id) == unknown.text
    assert kinds(seed) == []


@pytest.mark.parametrize("scope", ["read_only", "billing_only"])
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_key_that_may_not_change_is_refused(make_caller, rent, method, path, scope):
    answer = make_caller(scopes=(scope,))(method, path.format(rent(TO_RUNNING)))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def told(seed, vm_id):
    with seed.database.transaction() as tx:
        lines = select(Event.text).where(Event.vm_id == vm_id, Event.kind == "note").order_by(Event.id)
        return tx.scalars(lines).all()[1:]


class TestPatch:
    def test_a_label_is_set_and_cleared(self, caller, seed, rent):
        vm_id = rent(TO_RUNNING)
        for label in ("  render farm ü ", None, None):
            answer = caller("PATCH", f"/vms/{vm_id}", json={"instance_label": label})
            assert answer.status_code == 200
            assert answer.json()["instance_label"] == (label and "render farm ü")
        assert told(seed, vm_id) == ['instance_label is now "render farm ü"', "instance_label is now null"]

    def test_an_interruptible_vm_may_stay_away(self, caller, seed, rent):
        vm_id = rent(TO_RUNNING, rental_type="interruptible")
        for wanted in (False, False, True):
            answer = caller("PATCH", f"/vms/{vm_id}", json={"auto_restart": wanted})
            assert (answer.status_code, answer.json()["auto_restart"]) == (200, wanted)
        assert told(seed, vm_id) == ["auto_restart is now false", "auto_restart is now true"]

    @pytest.mark.parametrize("body", [{"json": {}}, {}])
    def test_nothing_given_changes_nothing(self, caller, seed, rent, body):
        vm_id = rent(TO_RUNNING)
        before = caller("GET", f"/vms/{vm_id}").json()
        answer = caller("PATCH", f"/vms/{vm_id}", **body)
        assert (answer.status_code, answer.json()) == (200, before)
        assert told(seed, vm_id) == []

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"instance_label": "x" * 101}, "instance_label"),
            ({"instance_label": ""}, "instance_label"),
            ({"instance_label": " \t "}, "instance_label"),
            ({"instance_label": "two\nlines"}, "instance_label"),
            ({"instance_label": "nul\u0000"}, "instance_label"),
            ({"instance_label": 7}, "instance_label"),
            ({"auto_restart": None}, "auto_restart"),
            ({"auto_restart": "yes"}, "auto_restart"),
            ({"auto_restart": 1}, "auto_restart"),
            ({"auto_restart": True}, "auto_restart"),  # of an on_demand VM
            ({"label": "typo"}, "label"),
            ({"gpu_count": 8}, "gpu_count"),
        ],
    )
    def test_what_is_wrong_is_named_and_nothing_changes(self, caller, rent, body, field):
        vm_id = rent(TO_RUNNING)
        before = caller("GET", f"/vms/{vm_id}").json()
        answer = caller("PATCH", f"/vms/{vm_id}", json={"instance_label": "good", **body})
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"][:2] == ["body", field]
        assert caller("GET", f"/vms/{vm_id}").json() == before

    def test_an_ended_vm_is_not_changed_any_more(self, caller, rent):
        answer = caller("PATCH", f"/vms/{rent((Status.FAILED,))}", json={"instance_label": "x"})
        assert (answer.status_code, answer.json()["code"]) == (409, "state_conflict")
