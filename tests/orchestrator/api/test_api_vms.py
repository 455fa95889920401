"""A VM from POST to DELETE, as its owner sees it; and nobody else."""

from uuid import uuid4

import pytest
from sqlalchemy import func, update

from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.pipelines import Kind
from orchestrator.vms.statuses import Status
from orchestrator.vms.transitions import move

PUBLISHED = {
    *("id", "vmid", "user_id", "node", "instance_label", "gpu_type", "gpu_count", "storage_gb", "ram_gb"),
    *("cpu_cores", "ip_address", "status", "created_at", "started_at", "stopped_at", "rental_type"),
    *("reservation_id", "auto_restart", "hourly_rate", "gpu_hourly_rate", "storage_hourly_rate"),
    *("cpu_percent", "ram_percent", "cpu_model", "pcie_gen"),
}
OURS = {"login_user", "ssh_port", "ssh_host_key_fingerprint", "interrupts_at", "failure_reason"}


def change(seed, vm_id, **values):
    with seed.database.transaction() as tx:
        tx.execute(update(Vm).where(Vm.id == vm_id).values(**values))


def bring(seed, vm_id, *statuses):
    """Walk a VM through statuses, its operation being over."""
    with seed.database.transaction() as tx:
        vm = tx.get_one(Vm, vm_id)
        vm.failure_reason = "the clone failed"
        tx.execute(
            update(Operation).where(Operation.vm_id == vm_id).values(state="done", finished_at=func.now())
        )
        for status in statuses:
            move(tx, vm, status, actor="innkeeper", cause="test")


def end_claims(seed, vm_id):
    from orchestrator.gpus import claims

    with seed.database.transaction() as tx:
        claims.release(tx, tx.get_one(Vm, vm_id), because="test")


def test_a_new_vm_is_the_published_object(caller, seed):
    answer = caller("POST", "/vms", json=seed.body(storage_gb=100))
    vm = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/vms/{vm['id']}"
    assert set(vm) == PUBLISHED | OURS
    made = {key: vm[key] for key in vm if key not in ("id", "created_at")}
    assert made == {
        "vmid": 100_000,
        "user_id": seed.user_id,
        "node": "vm01",
        "instance_label": None,
        "gpu_type": "5090",
        "gpu_count": 1,
        "storage_gb": 100,
        "ram_gb": 64,
        "cpu_cores": 8,
        "ip_address": None,
        "status": "creating",
        "started_at": None,
        "stopped_at": None,
        "rental_type": "on_demand",
        "reservation_id": None,
        "auto_restart": None,
        "hourly_rate": 0.51,
        "gpu_hourly_rate": 0.5,
        "storage_hourly_rate": 0.01,
        "cpu_percent": 0.0,
        "ram_percent": 0.0,
        "cpu_model": "EPYC",
        "pcie_gen": "5.0",
        "login_user": "ubuntu",
        "ssh_port": 22,
        "ssh_host_key_fingerprint": None,
        "interrupts_at": None,
        "failure_reason": None,
    }
    assert [str(ref.vm_id) for ref in seed.bell.rung] == [vm["id"]]
    assert caller("GET", answer.headers["Location"]).json() == vm


def test_a_reserved_vm_names_its_reservation(caller, seed):
    vm = caller("POST", "/vms", json=seed.body(rental_type="reserved", reservation_months=3)).json()
    assert vm["reservation_id"]
    assert vm["gpu_hourly_rate"] == 0.45


def test_an_interruptible_vm_comes_back_by_itself(caller, seed):
    vm = caller("POST", "/vms", json=seed.body(rental_type="interruptible")).json()
    assert (vm["auto_restart"], vm["gpu_hourly_rate"]) == (True, 0.2)


def test_a_failed_vm_says_why(caller, seed):
    vm_id = caller("POST", "/vms", json=seed.body()).json()["id"]
    change(seed, vm_id, failure_reason="it is being rolled back")
    assert caller("GET", f"/vms/{vm_id}").json()["failure_reason"] is None
    end_claims(seed, vm_id)
    bring(seed, vm_id, Status.FAILED)
    vm = caller("GET", f"/vms/{vm_id}").json()
    assert (vm["status"], vm["failure_reason"]) == ("failed", "the clone failed")
    assert vm["stopped_at"].endswith("Z")


def test_the_list_is_newest_first_in_parts(caller, seed):
    made = [caller("POST", "/vms", json=seed.body()).json()["id"] for _ in range(3)]

    def listed(query=""):
        return [vm["id"] for vm in caller("GET", f"/vms{query}").json()]

    assert listed() == made[::-1]
    assert listed("?limit=2") == made[:0:-1]
    assert listed("?limit=2&offset=2") == made[:1]
    assert listed("?offset=3") == []


def test_the_list_is_filtered(caller, seed):
    first = caller("POST", "/vms", json=seed.body()).json()["id"]
    second = caller("POST", "/vms", json=seed.body(node="vm02", rental_type="interruptible")).json()["id"]
    gone = caller("POST", "/vms", json=seed.body()).json()["id"]
    bring(seed, first, Status.STARTING, Status.RUNNING)
    end_claims(seed, gone)
    bring(seed, gone, Status.DESTROYED)

    def listed(query):
        return [vm["id"] for vm in caller("GET", f"/vms{query}").json()]

    assert listed("") == [second, first]
    assert listed("?status=running") == [first]
    assert listed("?status=destroyed") == [gone]
    assert listed("?node=vm02") == [second]
    assert listed("?rental_type=interruptible") == [second]
    assert listed("?rental_type=interruptible&node=vm01") == []


WRONG_QUERIES = [
    ("limit=0", "limit"),
    ("limit=201", "limit"),
    ("limit=ten", "limit"),
    ("offset=-1", "offset"),
    ("offset=99999999999999999999", "offset"),
    ("status=gone", "status"),
    ("rental_type=spot", "rental_type"),
    ("node=%00", "node"),
]


def test_a_wrong_query_is_refused(caller, subtests):
    for query, field in WRONG_QUERIES:
        with subtests.test(query=repr(query)):
            answer = caller("GET", f"/vms?{query}")
            assert answer.status_code == 422
            assert answer.json()["detail"][0]["loc"] == ["query", field]


def test_events_tell_what_happened_in_order(caller, seed):
    vm_id = caller("POST", "/vms", json=seed.body()).json()["id"]
    bring(seed, vm_id, Status.STARTING, Status.RUNNING)
    events = caller("GET", f"/vms/{vm_id}/events").json()
    assert [(e["kind"], e["actor"], e["from_status"], e["to_status"], e["text"]) for e in events] == [
        ("note", f"user:{seed.user_id}", None, None, "accepted"),
        ("status", "innkeeper", "creating", "starting", "test"),
        ("status", "innkeeper", "starting", "running", "test"),
    ]
    assert set(events[0]) == {"at", "kind", "actor", "step", "attempt", "from_status", "to_status", "text"}
    assert caller("GET", f"/vms/{vm_id}/events?limit=1&offset=2").json() == events[2:]


def test_delete_begins_a_destroy_once(caller, seed):
    vm_id = caller("POST", "/vms", json=seed.body()).json()["id"]
    for _ in range(2):
        answer = caller("DELETE", f"/vms/{vm_id}")
        assert (answer.status_code, answer.content) == (204, b"")
    assert [ref.kind for ref in seed.bell.rung] == [Kind.CREATE, Kind.DESTROY]


ROADS = {
    Status.CREATING: [],
    Status.STARTING: [Status.STARTING],
    Status.RUNNING: [Status.STARTING, Status.RUNNING],
    Status.STOPPING: [Status.STOPPING],
    Status.STOPPED: [Status.STOPPING, Status.STOPPED],
    Status.INTERRUPTED: [Status.STOPPING, Status.INTERRUPTED],
    Status.OFFLINE: [Status.OFFLINE],
    Status.FAILED: [Status.FAILED],
    Status.DESTROYED: [Status.DESTROYED],
}


def test_delete_is_accepted_in_every_status(caller, seed, subtests):
    assert set(ROADS) == set(Status)
    for status, road in ROADS.items():
        with subtests.test(status=status):
            vm_id = caller("POST", "/vms", json=seed.body()).json()["id"]
            end_claims(seed, vm_id)
            bring(seed, vm_id, *road)
            assert caller("GET", f"/vms/{vm_id}").json()["status"] == status
            assert caller("DELETE", f"/vms/{vm_id}").status_code == 204


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/vms/{}"), ("GET", "/vms/{}/events"), ("GET", "/vms/{}/explain"), ("DELETE", "/vms/{}")],
)
def test_a_vm_of_somebody_else_is_not_there(caller, make_caller, seed, method, path):
    vm_id = caller("POST", "/vms", json=seed.body()).json()["id"]
    stranger = make_caller("stranger@example.org")
    foreign = stranger(method, path.format(vm_id))
    unknown_id = str(uuid4())
    unknown = stranger(method, path.format(unknown_id))
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["code"] == "not_found"
    assert foreign.text.replace(vm_id, unknown_id) == unknown.text
    assert stranger("GET", "/vms").json() == []
    assert len(seed.bell.rung) == 1


def test_an_id_that_is_no_uuid_is_refused(caller):
    answer = caller("GET", "/vms/100000")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["path", "vm_id"]


def test_a_key_of_somebody_else_cannot_be_rented_with(caller, make_caller, seed):
    own = caller("GET", "/ssh-keys").json()[0]["id"]
    answer = make_caller("stranger@example.org")("POST", "/vms", json=seed.body(ssh_key_id=own))
    assert answer.status_code == 422
    assert "no such SSH key" in answer.json()["detail"][0]["msg"]
