"""Asking a VM for a start, stop, restart or destroy: the table's answer carried out in one transaction."""

from uuid import UUID

from sqlalchemy import select

from orchestrator.accounts.models import User
from orchestrator.errors import NotFound, StateConflict, Unauthenticated
from orchestrator.gpus import claims
from orchestrator.intake import capacity
from orchestrator.intake.lifecycle import Answer, Asked, decide, reason
from orchestrator.store.database import Database, Transaction
from orchestrator.vms import addresses, events, operations
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.pipelines import Kind
from orchestrator.vms.statuses import Status
from orchestrator.vms.transitions import move


def ask(database: Database, user_id: int, vm_id: UUID, asked: Asked) -> None:
    """Carry out a request, or see that nothing is to be done.

    What was accepted last is where the VM ends. Asking twice is as asking once.

    Raises NotFound for a VM that is not there or not the user's, StateConflict with what goes on and what to
    do, InsufficientCapacity when a start finds too few GPUs, reclaimed ones included, Unauthenticated for a
    disabled account.
    """
    with database.transaction() as tx:
        vm = own(tx, user_id, vm_id)
        live = operations.live(tx, vm_id)
        under_way = None if live is None else Kind(live.overtaken_by or live.kind)
        status, actor = Status(vm.status), f"user:{user_id}"
        match decide(asked, status, under_way):
            case Answer.BEGIN if asked is Asked.START:
                _start(tx, vm, actor)
            case Answer.BEGIN:
                operations.begin(tx, vm, Kind(asked), actor=actor)
            case Answer.OVERTAKE if live is not None:
                _overtake(tx, vm, live, asked, actor)
            case Answer.SETTLE:
                move(tx, vm, Status.STOPPED, actor=actor, cause="stopped for good: it will not be restored")
            case Answer.REFUSE:
                raise StateConflict(
                    f"VM {vm.id} {reason(status, under_way)}.",
                    facts={"status": status.value, "operation": under_way and under_way.value},
                )


def own(tx: Transaction, user_id: int, vm_id: UUID) -> Vm:
    """The user's VM, locked. Raises NotFound, or Unauthenticated when the account was disabled."""
    account = select(User.disabled_at).where(User.id == user_id).with_for_update(read=True)
    disabled_at = tx.scalar(account)
    if disabled_at is not None:
        raise Unauthenticated("This account is disabled.")
    mine = select(Vm).where(Vm.id == vm_id, Vm.user_id == user_id)
    vm = tx.scalar(mine.with_for_update(key_share=True))
    if vm is None:
        raise NotFound(f"There is no VM {vm_id}.")
    return vm


def _start(tx: Transaction, vm: Vm, actor: str) -> None:
    claims.gate(tx, vm.node_id)
    claims.give_up_unfit(tx, vm)
    secured = capacity.secure(tx, vm)
    addresses.assign(tx, vm)
    operation = operations.begin(tx, vm, Kind.START, actor=actor)
    if not secured:
        capacity.wait(tx, operation, vm)


def _overtake(tx: Transaction, vm: Vm, live: Operation, asked: Asked, actor: str) -> None:
    operations.overtake(tx, live, vm, Kind(asked), actor=actor)
    if live.finished_at is None:
        text = f"{asked} was asked for; the {live.kind} ends at its next safe point"
        events.record(tx, vm.id, text, actor=actor, operation_id=live.id)
