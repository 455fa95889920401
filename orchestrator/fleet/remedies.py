"""Settling a doubt, once a worker has looked at the very VM: what is done, and what its owner is told."""

from sqlalchemy import func, select

from orchestrator.fleet import doubts
from orchestrator.fleet.apart import apart
from orchestrator.fleet.facts import Tracked
from orchestrator.fleet.models import Doubt
from orchestrator.fleet.reconcile import Proof, Remedy, remedy, status_of, too_many_gone
from orchestrator.fleet.sightings import Shown
from orchestrator.fleet.watch import bring_back, lock_unchanged
from orchestrator.store.database import Database, Transaction
from orchestrator.vms import events, operations
from orchestrator.vms.models import Interruption, Vm
from orchestrator.vms.operations import CLOCK
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import ENDED, Status
from orchestrator.vms.transitions import move


def settle(database: Database, vm: Tracked, proof: Proof) -> Remedy:
    """Do what the facts and the proof call for, unless the VM has changed since it was looked at."""
    with apart(f"VM {vm.vm_id}"), database.transaction() as tx:
        row = lock_unchanged(tx, vm)
        if row is None or vm.facts.under_way is not None or vm.facts.node_offline:
            return Remedy.NOTHING
        what = remedy(vm.facts, proof)
        if what is Remedy.DESTROY and _too_many_gone(tx, row):
            what = Remedy.NOTHING
        if what is not Remedy.NOTHING:
            doubts.forget(tx, vm.vm_id)
        _carry_out(tx, row, vm, what)
        return what
    return Remedy.NOTHING


def _carry_out(tx: Transaction, row: Vm, vm: Tracked, what: Remedy) -> None:
    """No claim ends here: the operations do that, once the hypervisor confirms to them that the VM is off."""
    match what:
        case Remedy.BACK:
            bring_back(tx, row, vm)
        case Remedy.START:
            _begin(tx, row, Kind.START, f"node {vm.node_id} was restarted, and the VM starts again")
        case Remedy.INTERRUPT:
            tx.add(Interruption(vm_id=row.id, node_id=row.node_id, cause="reboot", notice_until=CLOCK))
            _begin(tx, row, Kind.INTERRUPT, f"node {vm.node_id} was restarted, and the VM went down with it")
        case Remedy.STOP:
            _begin(tx, row, Kind.STOP, "its guest powered itself off")
        case Remedy.SWITCH_OFF:
            kind = Kind.INTERRUPT if row.status == Status.INTERRUPTED else Kind.STOP
            _begin(tx, row, kind, "it was started on the hypervisor by hand, and is switched off")
        case Remedy.DESTROY:
            _begin(tx, row, Kind.DESTROY, "it was deleted on the hypervisor by somebody else")


def _begin(tx: Transaction, row: Vm, kind: Kind, why: str) -> None:
    """An operation on a VM that nobody asked for. What is off already has no notice to be given."""
    events.record(tx, row.id, why, actor=events.INNKEEPER)
    step = Step.SHUTDOWN if kind is Kind.INTERRUPT else None
    was = Status(row.status)
    if kind is Kind.START and was is not Status.OFFLINE:
        move(tx, row, Status.OFFLINE, actor=events.INNKEEPER, cause=why)
    operation = operations.begin(tx, row, kind, actor=events.INNKEEPER, step=step)
    if row.status == Status.OFFLINE:
        before = Status.STOPPED if kind is Kind.START else Status(str(row.status_before_offline))
        status = status_of((kind, Step(operation.step)), before)
        move(tx, row, status, actor=events.INNKEEPER, cause=why, operation_id=operation.id)


def _too_many_gone(tx: Transaction, row: Vm) -> bool:
    here = select(func.count()).select_from(Vm).where(Vm.cluster_id == row.cluster_id)
    vms = tx.scalars(here.where(Vm.status.not_in([status.value for status in ENDED]))).one()
    absent = here.join(Doubt, Doubt.vm_id == Vm.id).where(Doubt.shown == Shown.ABSENT.value)
    return too_many_gone(tx.scalars(absent).one(), vms)
