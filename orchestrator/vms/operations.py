"""The life of an operation row: one function per effect.

Whoever acts on an operation holds its lease; every effect of a step is applied `WHERE lease_token = mine`, so
that a stale owner changes nothing. All times are the database's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, update

from orchestrator.errors import Cancelled, LeaseLost
from orchestrator.store.database import Transaction
from orchestrator.vms.events import INNKEEPER, record
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.pipelines import PIPELINES, Kind, Step
from orchestrator.vms.statuses import Status, legal
from orchestrator.vms.transitions import move

LIVE = ("open", "parked")
CLOCK = func.clock_timestamp()
EARLY = timedelta(seconds=0.5)
"""A retry that the broker delivers a moment before its time is taken all the same."""


@dataclass(frozen=True)
class OperationRef:
    """What a message needs to say."""

    id: UUID
    vm_id: UUID
    node_id: str
    kind: Kind
    step: Step
    attempt: int


@dataclass(frozen=True)
class Lease:
    """The right to act on an operation, until it is lost."""

    operation: OperationRef
    token: UUID
    memo: dict[str, Any]
    step_age_seconds: float
    """How long this step has been tried, all attempts together."""


def ref(operation: Operation) -> OperationRef:
    return OperationRef(
        id=operation.id,
        vm_id=operation.vm_id,
        node_id=operation.node_id,
        kind=Kind(operation.kind),
        step=Step(operation.step),
        attempt=operation.attempt + 1,
    )


def begin(
    tx: Transaction,
    vm: Vm,
    kind: Kind,
    *,
    actor: str,
    memo: dict[str, Any] | None = None,
    step: Step | None = None,
) -> Operation:
    """Write a new operation on `vm`; its chain is sent after the commit.

    The VM has the status of the first step at once. `memo` is what the operation before it did not finish,
    such as a task that still runs. `step` is where an operation begins that undoes another.
    """
    operation = Operation(
        vm_id=vm.id,
        node_id=vm.node_id,
        kind=kind.value,
        step=(step or PIPELINES[kind].steps[0]).value,
        actor=actor,
        memo=memo or {},
        rung_at=func.now(),
        rings=1,
    )
    tx.add(operation)
    tx.flush()
    _enter(tx, operation, vm, "asked for")
    tx.ring(ref(operation))
    return operation


def live(tx: Transaction, vm_id: UUID) -> Operation | None:
    """The operation that is under way on a VM, locked; the caller holds the VM's row."""
    return tx.scalar(
        select(Operation).where(Operation.vm_id == vm_id, Operation.state.in_(LIVE)).with_for_update()
    )


def unleased() -> ColumnElement[bool]:
    """That nobody works on an operation now."""
    return or_(Operation.lease_token.is_(None), Operation.lease_expires_at < CLOCK)


def is_unleased(tx: Transaction, operation: Operation) -> bool:
    """Whether nobody works on the operation now (its worker may have died)."""
    return bool(tx.scalar(select(unleased()).where(Operation.id == operation.id)))


def take(tx: Transaction, operation_id: UUID, step: Step, *, owner: str, seconds: float) -> Lease | None:
    """Take the lease if the operation is at `step`, due, and nobody holds it. None: nothing to do here."""
    operation = tx.scalar(
        update(Operation)
        .where(
            Operation.id == operation_id,
            Operation.step == step.value,
            Operation.state == "open",
            Operation.not_before <= CLOCK + EARLY,
            unleased(),
        )
        .values(
            lease_token=func.gen_random_uuid(),
            lease_owner=owner,
            lease_expires_at=CLOCK + timedelta(seconds=seconds),
            attempt=Operation.attempt + 1,
            step_started_at=func.coalesce(Operation.step_started_at, CLOCK),
            rung_at=None,
            rings=0,
        )
        .returning(Operation)
    )
    if operation is None or operation.lease_token is None or operation.step_started_at is None:
        return None
    age = tx.scalar(select(func.extract("epoch", CLOCK - operation.step_started_at)))
    taken = OperationRef(
        id=operation.id,
        vm_id=operation.vm_id,
        node_id=operation.node_id,
        kind=Kind(operation.kind),
        step=step,
        attempt=operation.attempt,
    )
    return Lease(taken, operation.lease_token, dict(operation.memo), float(age or 0))


def extend(tx: Transaction, tokens: Sequence[UUID], *, seconds: float) -> dict[UUID, bool]:
    """Prolong the leases that are still ours. Maps each of them to whether it should stop (was overtaken)."""
    rows = tx.execute(
        update(Operation)
        .where(Operation.lease_token.in_(tokens))
        .values(lease_expires_at=CLOCK + timedelta(seconds=seconds))
        .returning(Operation.lease_token, Operation.cancel_requested_by)
    )
    return {token: cancelled is not None for token, cancelled in rows if token is not None}


def held(tx: Transaction, lease: Lease) -> tuple[Operation, Vm]:
    """Lock the VM, then its operation (everywhere in this order), for an effect of the lease's owner.

    Raises LeaseLost.
    """
    vm = tx.scalars(select(Vm).where(Vm.id == lease.operation.vm_id).with_for_update(key_share=True)).one()
    operation = tx.scalar(select(Operation).where(Operation.lease_token == lease.token).with_for_update())
    if operation is None:
        raise LeaseLost(f"Operation {lease.operation.id} has a newer owner.")
    return operation, vm


def remember(tx: Transaction, lease: Lease, facts: dict[str, Any]) -> None:
    """Keep facts in the operation's memo; a None removes one."""
    operation, _ = held(tx, lease)
    memo = {**operation.memo, **facts}
    operation.memo = {key: value for key, value in memo.items() if value is not None}


def enter_step(tx: Transaction, lease: Lease) -> None:
    """Bring the VM to the status that the step means.

    Raises Cancelled when the operation was overtaken while nobody worked on it, as after a worker's death.
    """
    operation, vm = held(tx, lease)
    if operation.cancel_requested_by is not None:
        raise Cancelled(f"Operation {operation.id} was overtaken.")
    _enter(tx, operation, vm, f"{operation.step} begins")


def _enter(tx: Transaction, operation: Operation, vm: Vm, what: str) -> None:
    """Only where it is a legal move: a stopped VM that is destroyed stays stopped until it is gone.

    A VM that is offline stays so until it is seen again, however often its step is tried.
    """
    status = PIPELINES[Kind(operation.kind)].enters.get(Step(operation.step))
    if vm.status == Status.OFFLINE:
        return
    if status is not None and legal(Status(vm.status), status):
        cause = f"{operation.kind}: {what}"
        move(tx, vm, status, actor=operation.actor, cause=cause, operation_id=operation.id)


def _tell(tx: Transaction, operation: Operation, text: str) -> None:
    """A line about the present step."""
    record(
        tx,
        operation.vm_id,
        text,
        actor=operation.actor,
        operation_id=operation.id,
        step=operation.step,
        attempt=operation.attempt,
    )


def _let_go(operation: Operation) -> None:
    operation.lease_token = None
    operation.lease_owner = None
    operation.lease_expires_at = None


def _finish(operation: Operation, state: str) -> None:
    _let_go(operation)
    operation.state = state
    operation.parked_for = None
    operation.finished_at = CLOCK


def advance(tx: Transaction, operation: Operation, vm: Vm) -> None:
    """The step is done: on to the next one, or the operation is done and the VM has its new status."""
    step = Step(operation.step)
    _tell(tx, operation, f"{step} done")
    pipeline = PIPELINES[Kind(operation.kind)]
    following = pipeline.after(step)
    if following is None:
        _finish(operation, "done")
        move(
            tx,
            vm,
            pipeline.ends_in,
            actor=operation.actor,
            cause=f"{operation.kind} finished",
            operation_id=operation.id,
        )
        return
    _let_go(operation)
    operation.step = following.value
    operation.attempt = 0
    operation.step_started_at = None
    operation.last_error = None
    operation.not_before = CLOCK
    operation.rung_at = CLOCK
    operation.rings = 1


def back_off(tx: Transaction, operation: Operation, *, seconds: float, error: str) -> None:
    """The step is tried again after a while."""
    _tell(tx, operation, f"{operation.step} is tried again in {seconds:.1f} s: {error}")
    _let_go(operation)
    operation.last_error = error
    operation.not_before = CLOCK + timedelta(seconds=seconds)
    operation.rung_at = None


def park(tx: Transaction, operation: Operation, *, wanted: str, error: str, recheck_seconds: float) -> None:
    """The operation leaves the queue until `wanted` (capacity, node, operator) is there.

    `recheck_seconds` bounds how long a lost wake-up can cost. The step's deadline starts anew.
    """
    if operation.last_error != error:
        _tell(tx, operation, f"{operation.step} waits ({wanted}): {error}")
    _let_go(operation)
    operation.state = "parked"
    operation.parked_for = wanted
    operation.attempt = 0
    operation.step_started_at = None
    operation.last_error = error
    operation.not_before = CLOCK + timedelta(seconds=recheck_seconds)
    operation.rung_at = None


def hand_back(operation: Operation, *, seconds: float = 0) -> None:
    """The worker lets go, and the attempt does not count: another may go on at once, or after a time that the
    step has to wait for."""
    _let_go(operation)
    operation.attempt -= 1
    operation.not_before = CLOCK + timedelta(seconds=seconds)
    operation.rung_at = None


def give_up(tx: Transaction, operation: Operation, vm: Vm, *, reason: str) -> None:
    """The operation has failed; what it did is undone. `reason` is for the VM's owner."""
    _tell(tx, operation, f"{operation.step} failed: {reason}")
    operation.last_error = reason
    vm.failure_reason = reason
    _finish(operation, "failed")
    tx.flush()
    undo = PIPELINES[Kind(operation.kind)].undo
    if undo is None:
        raise ValueError(f"{operation.kind} may not be given up")
    kind, step = undo
    begin(tx, vm, kind, actor=INNKEEPER, memo=operation.memo, step=step)


def overtake(tx: Transaction, operation: Operation, vm: Vm, kind: Kind, *, actor: str) -> None:
    """End `operation` and begin the one of `kind`: now, or at its next safe point if a worker is at it."""
    operation.cancel_requested_by = actor
    operation.overtaken_by = kind.value
    if is_unleased(tx, operation):
        give_way(tx, operation, vm)


def give_way(tx: Transaction, operation: Operation, vm: Vm) -> None:
    """End an operation that was overtaken, and begin the one that overtook it."""
    actor, kind = str(operation.cancel_requested_by), Kind(str(operation.overtaken_by))
    cancel(tx, operation, actor=actor, why=f"overtaken by a {kind}")
    begin(tx, vm, kind, actor=actor, memo=operation.memo)


def cancel(tx: Transaction, operation: Operation, *, actor: str, why: str) -> None:
    """End an operation that nobody works on, or whose worker is at a safe point."""
    text = f"{operation.kind} ends unfinished: {why}"
    record(tx, operation.vm_id, text, actor=actor, operation_id=operation.id)
    _finish(operation, "cancelled")
    tx.flush()
