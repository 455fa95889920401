"""Reading how long operations took: medians of those that were done last, step by step."""

from collections.abc import Collection

from sqlalchemy import String, and_, column, func, select, true, values

from orchestrator.policy.estimates import Sample, Usual
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Event, Operation
from orchestrator.vms.pipelines import Kind, Step

SAMPLES = 20


def usual(tx: Transaction, node_id: str, kinds: Collection[Kind] = tuple(Kind)) -> Usual:
    """What the last operations of each kind took on the node; where it has done none, on all nodes."""
    here = _samples(tx, kinds, node_id)
    missing = [kind for kind in kinds if kind not in here]
    return Usual(here | (_samples(tx, missing, None) if missing else {}))


def _samples(tx: Transaction, kinds: Collection[Kind], node_id: str | None) -> dict[Kind, Sample]:
    """A step ends with its last line on the time line, and begins where the one before it ended."""
    wanted = values(column("kind", String), name="wanted").data([(kind.value,) for kind in kinds])
    done = select(Operation.id, Operation.vm_id, Operation.created_at).where(
        Operation.kind == wanted.c.kind, Operation.state == "done"
    )
    if node_id is not None:
        done = done.where(Operation.node_id == node_id)
    last = done.order_by(Operation.finished_at.desc()).limit(SAMPLES).lateral("last")
    its_steps = and_(Event.vm_id == last.c.vm_id, Event.operation_id == last.c.id, Event.kind == "step")
    ended = (
        select(wanted.c.kind, last.c.id, last.c.created_at, Event.step, func.max(Event.at).label("at"))
        .select_from(wanted.join(last, true()).join(Event, its_steps))
        .group_by(wanted.c.kind, last.c.id, last.c.created_at, Event.step)
        .subquery()
    )
    before = func.lag(ended.c.at).over(partition_by=ended.c.id, order_by=ended.c.at)
    seconds = func.extract("epoch", ended.c.at - func.coalesce(before, ended.c.created_at))
    took = select(ended.c.kind, ended.c.step, seconds.label("seconds")).subquery()
    median = func.percentile_cont(0.5).within_group(took.c.seconds)
    rows = tx.execute(
        select(took.c.kind, took.c.step, median, func.count()).group_by(took.c.kind, took.c.step)
    ).all()
    where = "all nodes" if node_id is None else node_id
    steps: dict[Kind, dict[Step, float]] = {}
    counts: dict[Kind, int] = {}
    for name, step, middle, count in rows:
        kind = Kind(name)
        steps.setdefault(kind, {})[Step(step)] = float(middle)
        counts[kind] = max(count, counts.get(kind, 0))
    return {kind: Sample(steps[kind], counts[kind], where) for kind in steps}
