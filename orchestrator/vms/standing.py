"""Reading where a VM stands: its operation, who works on it, since when, and its interruption."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select

from orchestrator.catalog.models import Node
from orchestrator.store.database import Transaction
from orchestrator.vms.interruptions import OPEN
from orchestrator.vms.models import Event, Interruption, Operation, Vm
from orchestrator.vms.operations import CLOCK, LIVE
from orchestrator.vms.pipelines import PIPELINES, Kind, Step


@dataclass(frozen=True)
class Work:
    """The operation that a VM is in. Its present step is tried or waited with `since` then, for `elapsed`
    seconds."""

    operation: Operation
    since: datetime
    elapsed: float
    leased: bool
    due: bool

    @property
    def at(self) -> tuple[Kind, Step]:
        """What is done now."""
        return Kind(self.operation.kind), Step(self.operation.step)

    @property
    def next(self) -> tuple[Kind, Step] | None:
        """What follows at the next safe point, when somebody asked for it."""
        if self.operation.overtaken_by is None:
            return None
        kind = Kind(self.operation.overtaken_by)
        return kind, PIPELINES[kind].steps[0]


@dataclass(frozen=True)
class Seen:
    """A VM and what goes on with it, at one moment of the database's clock. `since` it has its status."""

    vm: Vm
    node: Node
    now: datetime
    since: datetime
    work: Work | None
    interruption: Interruption | None


def look(tx: Transaction, vm: Vm) -> Seen:
    """Read it all at once."""
    last_event = select(func.max(Event.at)).where(
        Event.vm_id == Operation.vm_id, Event.operation_id == Operation.id
    )
    moved = select(func.max(Event.at)).where(Event.vm_id == Vm.id, Event.kind == "status")
    row = tx.execute(
        select(
            Node,
            func.coalesce(moved.scalar_subquery(), Vm.created_at).label("moved"),
            Interruption,
            Operation,
            func.coalesce(
                Operation.step_started_at, last_event.scalar_subquery(), Operation.created_at
            ).label("since"),
            func.coalesce(func.extract("epoch", CLOCK - Operation.step_started_at), 0).label("elapsed"),
            func.coalesce(Operation.lease_expires_at > CLOCK, False).label("leased"),
            (Operation.not_before <= CLOCK).label("due"),
            CLOCK.label("now"),
        )
        .select_from(Vm)
        .join(Node, Node.id == Vm.node_id)
        .outerjoin(Interruption, and_(Interruption.vm_id == Vm.id, Interruption.state.in_(OPEN)))
        .outerjoin(Operation, and_(Operation.vm_id == Vm.id, Operation.state.in_(LIVE)))
        .where(Vm.id == vm.id)
    ).one()
    work = None
    if row.Operation is not None:
        work = Work(row.Operation, row.since, float(row.elapsed), row.leased, row.due)
    return Seen(vm, row.Node, row.now, row.moved, work, row.Interruption)
