"""Running one step: take the lease, load, act, apply what came of it under the lease."""

import logging
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from orchestrator.errors import (
    Cancelled,
    DeadlinePassed,
    HandedBack,
    InnkeeperError,
    LeaseLost,
    StepCutShort,
)
from orchestrator.gpus import claims
from orchestrator.settings import Settings
from orchestrator.store.database import Database, Transaction
from orchestrator.vms import operations, waking
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.operations import Lease, OperationRef
from orchestrator.vms.pipelines import Step
from workers.gateways import Gateways
from workers.heartbeat import Held, Keeper
from workers.job import Job, load
from workers.outcomes import Again, Done, Failed, Later, Outcome, Parked
from workers.retries import outcome_of
from workers.steps import STEPS
from workers.webhook import Webhook
from workers.work import Work

log = logging.getLogger(__name__)


class Next(Enum):
    """What the message of the step should do."""

    GO_ON = "the next step of the chain follows"
    STOP = "nothing follows from this message"
    REQUEUE = "another worker takes this message"


@dataclass(frozen=True)
class Verdict:
    """`retry_seconds`: the message comes back after that long. `failure`: shown as the task's failure."""

    next: Next
    retry_seconds: float | None = None
    failure: str | None = None


STOP = Verdict(Next.STOP)
MOST_STARTS = 20
"""More than any retry curve allows: what comes here has killed its worker again and again."""


class Runner:
    """Runs the steps of one worker process."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        gateways: Gateways,
        keeper: Keeper,
        name: str,
    ) -> None:
        self._settings = settings
        self._database = database
        self._gateways = gateways
        self._keeper = keeper
        self._name = name
        self._webhook = Webhook.of(settings)

    def run(self, operation_id: UUID, step: Step) -> Verdict:
        """Run `step` of an operation if it is due and nobody else runs it."""
        if self._keeper.stopping:
            return Verdict(Next.REQUEUE)
        with self._database.transaction() as tx:
            lease = operations.take(
                tx, operation_id, step, owner=self._name, seconds=self._settings.lease_seconds
            )
        if lease is None:
            return STOP
        with self._keeper.holding(lease) as held:
            try:
                outcome = self._attempt(lease, held)
            except HandedBack:
                return self._hand_back(lease)
            except Cancelled:
                return self._apply(lease, Again(0, "overtaken"))
            except LeaseLost as lost:
                log.info("%s", lost)
                return STOP
        return self._apply(lease, outcome)

    def _attempt(self, lease: Lease, held: Held) -> Outcome:
        """Load, act, and turn whatever goes wrong into an outcome of the operation."""
        operation = lease.operation
        try:
            _refuse_endless_starts(operation)
            with self._database.transaction() as tx:
                operations.enter_step(tx, lease)
                job = load(tx, lease)
            return self._act(job, held)
        except StepCutShort:
            raise
        except Exception as error:
            log.warning(
                "%s of VM %s on %s (attempt %s): %s",
                operation.step,
                operation.vm_id,
                operation.node_id,
                operation.attempt,
                error,
                exc_info=not isinstance(error, InnkeeperError),
            )
            return outcome_of(
                error,
                kind=operation.kind,
                step=operation.step,
                attempt=operation.attempt,
                settings=self._settings,
            )

    def _act(self, job: Job, held: Held) -> Outcome:
        work = Work(
            job,
            held,
            keeper=self._keeper,
            database=self._database,
            pve=self._gateways.of(job.place.cluster_id),
            pace=self._settings.pace,
            change_seconds=self._gateways.change_seconds,
            webhook=self._webhook,
        )
        return STEPS[job.operation.step](work)

    def _hand_back(self, lease: Lease) -> Verdict:
        try:
            with self._database.transaction() as tx:
                operation, _ = operations.held(tx, lease)
                operations.hand_back(operation)
        except LeaseLost as lost:
            log.info("%s", lost)
            return STOP
        return Verdict(Next.REQUEUE)

    def _apply(self, lease: Lease, outcome: Outcome) -> Verdict:
        try:
            with self._database.transaction() as tx:
                operation, vm = operations.held(tx, lease)
                return self._settle(tx, operation, vm, outcome)
        except LeaseLost as lost:
            log.info("%s; what it found is dropped", lost)
            return STOP

    def _settle(self, tx: Transaction, operation: Operation, vm: Vm, outcome: Outcome) -> Verdict:
        if operation.cancel_requested_by is not None:
            if isinstance(outcome, Done):
                outcome.changes(tx, vm)
            operations.give_way(tx, operation, vm)
            return STOP
        match outcome:
            case Done(changes=changes):
                changes(tx, vm)
                operations.advance(tx, operation, vm)
                # The node answers: what was parked because it did not may go on.
                waking.wake_parked(tx, node_id=operation.node_id, wanted="node")
                return Verdict(Next.GO_ON)
            case Again(seconds=seconds, error=error):
                operations.back_off(tx, operation, seconds=seconds, error=error)
                return Verdict(Next.STOP, retry_seconds=seconds)
            case Later(seconds=seconds):
                operations.hand_back(operation, seconds=seconds)
                return Verdict(Next.STOP, retry_seconds=seconds)
            case Parked(lacking=int(lacked)) if _came_meanwhile(tx, vm, lacked):
                operations.hand_back(operation)
                return Verdict(Next.STOP, retry_seconds=0)
            case Parked(wanted=wanted, error=error, recheck_seconds=recheck):
                operations.park(tx, operation, wanted=wanted, error=error, recheck_seconds=recheck)
                return STOP
            case Failed(reason=reason):
                operations.give_up(tx, operation, vm, reason=reason)
                return Verdict(Next.STOP, failure=reason)


def _came_meanwhile(tx: Transaction, vm: Vm, lacked: int) -> bool:
    """Whether GPUs were handed to the VM since its step looked: then nobody would wake it. Behind the gate,
    so that none come before it is parked."""
    claims.gate(tx, vm.node_id)
    return claims.lacking(tx, vm) < lacked


def _refuse_endless_starts(operation: OperationRef) -> None:
    if operation.attempt > MOST_STARTS:
        raise DeadlinePassed(
            f"{operation.step} was begun {MOST_STARTS} times and never ended; it may crash its worker."
        )
