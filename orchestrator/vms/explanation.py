"""Why a VM is not yet what was asked for: one explanation, for its owner and for operators."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.gpus import fleet
from orchestrator.gpus.elsewhere import elsewhere
from orchestrator.gpus.outlook import outlook
from orchestrator.gpus.snapshot import PoolKey
from orchestrator.gpus.waits import Return, at_nodes, in_line, interrupted, is_coming
from orchestrator.policy.explain import DECIDED, Place, Reason, Remedy, Standing, UnderWay, Wait, reason_of
from orchestrator.policy.outlook import Outlook
from orchestrator.policy.restore import Verdict, decide_restores
from orchestrator.settings import Settings
from orchestrator.store.database import Transaction
from orchestrator.vms import standing, waits
from orchestrator.vms.estimates import usual
from orchestrator.vms.models import Vm
from orchestrator.vms.pipelines import Step
from orchestrator.vms.standing import Seen, Work
from orchestrator.vms.statuses import Status

ENDS_BADLY = frozenset({Status.FAILED, Status.STOPPED, Status.INTERRUPTED})
"""Where the reason of a give-up still stands; elsewhere it is being undone, or overcome."""


@dataclass(frozen=True)
class Explanation:
    """What a VM waits for, and what is done about it."""

    vm: Vm
    reason: Reason
    wait: Wait
    work: Work | None

    def told(self) -> dict[str, Any]:
        """Field by field, as it is shown."""
        vm, wait, estimate, place = self.vm, self.wait, self.wait.estimate, self.wait.place
        operation = None if self.work is None else self.work.operation
        told = dict.fromkeys(("kind", "step", "attempt", "state", "parked_for", "last_error"))
        if operation is not None:
            told = {name: getattr(operation, name) for name in told}
        elif vm.status in ENDS_BADLY:
            told["last_error"] = vm.failure_reason
        return {
            "status": vm.status,
            "reason": self.reason,
            "waits_for": wait.waits_for,
            "since": wait.since,
            "place_in_line": place and place.number,
            "line_length": place and place.of,
            "blocked_by": [asdict(one) for one in wait.blockers],
            "would_free_it": [asdict(one) for one in wait.remedies],
            "estimate_seconds": None
            if estimate is None or estimate.seconds is None
            else round(estimate.seconds),
            "estimate_basis": estimate and estimate.basis,
            "operation": told.pop("kind"),
            **told,
            "next_try_at": self.next_try_at,
        }

    @property
    def next_try_at(self) -> datetime | None:
        """At the latest. None: it is due, or under way."""
        if self.work is None or self.work.leased or self.work.due:
            return None
        return self.work.operation.not_before


def explain(tx: Transaction, vm: Vm, settings: Settings) -> Explanation:
    """Explain a VM. `tx` is a snapshot, so that all is seen at one moment; nothing is changed."""
    seen = standing.look(tx, vm)
    if seen.work is not None:
        reason, wait = _of_work(tx, seen, seen.work, settings)
    elif vm.status == Status.INTERRUPTED:
        reason, wait = _of_interrupted(tx, seen, settings)
    else:
        reason = reason_of(_standing(seen))
        wait = _of_others(tx, seen, reason, settings)
    return Explanation(vm, reason, wait, seen.work)


def _of_work(tx: Transaction, seen: Seen, work: Work, settings: Settings) -> tuple[Reason, Wait]:
    """It is in an operation."""
    vm, (kind, step) = seen.vm, work.at
    line = _pool(tx, vm, settings) if step is Step.RESERVE else None
    if line is not None and not line.awaits(vm.id):
        line = None
    under_way = UnderWay(kind, step, work.operation.parked_for, work.leased, work.due, line is not None)
    coming = line is not None and is_coming(line, vm)
    reason = reason_of(_standing(seen, under_way=under_way, coming=coming))
    if line is not None and reason in (Reason.RECLAIM, Reason.CAPACITY):
        others = _elsewhere(tx, vm, settings)
        return reason, in_line(seen, work, line, others, patience_seconds=settings.capacity_wait_seconds)
    if reason in waits.ON_ITS_WAY:
        kinds = {kind, *(work.next or ())[:1]}
        return reason, waits.ON_ITS_WAY[reason](seen, work, usual(tx, vm.node_id, kinds))
    return reason, _of_others(tx, seen, reason, settings)


def _of_interrupted(tx: Transaction, seen: Seen, settings: Settings) -> tuple[Reason, Wait]:
    """It is interrupted, and nobody is at it."""
    vm = seen.vm
    verdict, comes = _return(tx, vm, settings)
    reason = reason_of(_standing(seen, verdict=verdict))
    if comes is None or reason not in DECIDED.values():
        return reason, _of_others(tx, seen, reason, settings)
    pool = _pool(tx, vm, settings)
    return reason, interrupted(seen, reason, comes, pool, _elsewhere(tx, vm, settings))


def _of_others(tx: Transaction, seen: Seen, reason: Reason, settings: Settings) -> Wait:
    """It waits for people or for its node, or for nothing."""
    match reason:
        case Reason.NODE_OFFLINE:
            return waits.node_offline(seen, _elsewhere(tx, seen.vm, settings))
        case Reason.NODE_DRAINING:
            return waits.node_draining(seen, _elsewhere(tx, seen.vm, settings))
        case Reason.OPERATOR:
            return waits.operator(seen)
        case Reason.OWNER:
            return waits.owner(seen)
        case _:
            return waits.at_rest(seen)


def _standing(
    seen: Seen,
    *,
    under_way: UnderWay | None = None,
    coming: bool = False,
    verdict: Verdict | None = None,
) -> Standing:
    return Standing(
        status=Status(seen.vm.status),
        under_way=under_way,
        node_offline=seen.node.offline_since is not None,
        node_draining=seen.node.state == "draining",
        coming=coming,
        verdict=verdict,
        has_failed=seen.vm.failure_reason is not None,
    )


def _pool(tx: Transaction, vm: Vm, settings: Settings) -> Outlook:
    key = PoolKey(vm.node_id, vm.gpu_type)
    return outlook(tx, key, notice_seconds=settings.interruption_notice_seconds)


def _elsewhere(tx: Transaction, vm: Vm, settings: Settings) -> tuple[Remedy, ...]:
    found = elsewhere(
        tx,
        gpu_type=vm.gpu_type,
        gpu_count=vm.gpu_count,
        template_vmid=vm.template_vmid,
        besides=vm.node_id,
        rules=settings.rules if vm.rental_type == "interruptible" else None,
    )
    return at_nodes(found)


def _return(tx: Transaction, vm: Vm, settings: Settings) -> tuple[Verdict | None, Return | None]:
    """What the next look at interrupted VMs would decide; the place is among those of the same GPUs."""
    waiting = fleet.waiting(tx).get(vm.gpu_type)
    if waiting is None:
        return None, None
    decisions = decide_restores(waiting.vms, waiting.fleet, fleet.now(tx), settings.rules)
    here = {one.vm for one in waiting.vms if one.node == vm.node_id}
    order = [one for one in decisions if one.vm in here]
    for number, one in enumerate(order, 1):
        if one.vm == vm.id:
            at = None if one.not_before is None else datetime.fromtimestamp(one.not_before, UTC)
            return one.verdict, Return(at, Place(number, len(order)))
    return None, None
