"""VMs in any state, without a hypervisor."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update

from orchestrator.gpus import claims
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Event, Operation, Vm
from orchestrator.vms.pipelines import PIPELINES, Kind
from orchestrator.vms.statuses import ENDED, Status
from orchestrator.vms.transitions import move
from tests.seed import Seed

ROADS = {
    Status.CREATING: (),
    Status.STARTING: (Status.STARTING,),
    Status.RUNNING: (Status.STARTING, Status.RUNNING),
    Status.STOPPING: (Status.STARTING, Status.RUNNING, Status.STOPPING),
    Status.STOPPED: (Status.STARTING, Status.RUNNING, Status.STOPPING, Status.STOPPED),
    Status.INTERRUPTED: (Status.STARTING, Status.RUNNING, Status.STOPPING, Status.INTERRUPTED),
    Status.OFFLINE: (Status.STARTING, Status.RUNNING, Status.OFFLINE),
    Status.FAILED: (Status.FAILED,),
    Status.DESTROYED: (Status.DESTROYED,),
}
OFF = {Status.STOPPED, Status.INTERRUPTED, *ENDED}

MakeVm = Callable[..., Vm]


@pytest.fixture
def make_vm(seed: Seed) -> MakeVm:
    """Makes VMs of a status, with an operation under way or none; bells rung before are forgotten."""

    def make(status: Status, kind: Kind | None = None, **wanted: object) -> Vm:
        vm_id = seed.vm(**wanted).id
        with seed.database.transaction() as tx:
            vm = tx.get_one(Vm, vm_id)
            tx.execute(delete(Event).where(Event.vm_id == vm_id))
            tx.execute(delete(Operation).where(Operation.vm_id == vm_id))
            _walk(tx, vm, status)
            if kind is not None:
                first = PIPELINES[kind].steps[0]
                tx.add(
                    Operation(
                        vm_id=vm_id, node_id=vm.node_id, kind=kind.value, step=first.value, actor="innkeeper"
                    )
                )
        seed.bell.rung.clear()
        return vm

    return make


def _walk(tx: Transaction, vm: Vm, status: Status) -> None:
    if status in OFF:
        claims.release(tx, vm, because="test")
    if status is Status.FAILED:
        vm.failure_reason = "test"
    for station in ROADS[status]:
        move(tx, vm, station, actor="innkeeper", cause="test")


@pytest.fixture
def lease(seed: Seed) -> Callable[[Vm], None]:
    """Lets a worker be at the live operation of a VM."""

    def take(vm: Vm) -> None:
        with seed.database.transaction() as tx:
            tx.execute(
                update(Operation)
                .where(Operation.vm_id == vm.id, Operation.finished_at.is_(None))
                .values(
                    lease_token=func.gen_random_uuid(),
                    lease_expires_at=func.now() + timedelta(hours=1),
                )
            )

    return take


@pytest.fixture
def live(seed: Seed) -> Callable[[Vm], tuple[str, str | None] | None]:
    """Tells the kind of the live operation of a VM, and what is to overtake it."""

    def look(vm: Vm) -> tuple[str, str | None] | None:
        with seed.database.transaction() as tx:
            row = tx.execute(
                select(Operation.kind, Operation.overtaken_by).where(
                    Operation.vm_id == vm.id, Operation.finished_at.is_(None)
                )
            ).one_or_none()
        return None if row is None else (row.kind, row.overtaken_by)

    return look
