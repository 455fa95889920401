"""What a close look at one VM proves."""

from uuid import uuid4

import pytest

from orchestrator.fleet.reconcile import Proof
from tests.workers.fleet.watched import Watched
from workers.proof import prove


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("none", Proof.ON),
        ("power", Proof.OFF),
        ("removed", Proof.GONE),
        ("moved", Proof.UNCLEAR),
        ("marker", Proof.UNCLEAR),
        ("lock", Proof.UNCLEAR),
        ("another", Proof.UNCLEAR),
    ],
)
def test_a_vm(watched: Watched, change: str, expected: Proof) -> None:
    vm_id = watched.running()
    bench, vmid = watched.bench, watched.bench.row(vm_id).vmid
    if change in ("power", "removed"):
        bench.simulator.kill_vm(vmid)
    if change == "removed":
        bench.remove(vmid)
    if change == "moved":
        bench.simulator.move_vm(vmid, "vm02")
    if change == "marker":
        bench.edit(vmid, description="mine now")
    if change == "lock":
        bench.simulator.lock_vm(vmid, "backup")
    whose = uuid4() if change == "another" else vm_id
    assert prove(bench.gateways.of("sim"), vm_id=whose, vmid=vmid, node="vm01") is expected


def test_a_vm_that_the_token_may_not_see(watched: Watched) -> None:
    watched.bench.simulator.make_foreign_vm("vm01", 555)
    watched.bench.fault("forbidden", path="/qemu/555/config$")
    assert prove(watched.bench.gateways.of("sim"), vm_id=uuid4(), vmid=555, node="vm01") is Proof.UNCLEAR
