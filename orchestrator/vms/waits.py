"""Waits that have nothing to do with free GPUs: for a worker, a node, an operator, the end of a notice."""

from collections.abc import Callable, Mapping

from orchestrator.policy.estimates import Estimate, Usual, duration
from orchestrator.policy.explain import Blocker, BlockerKind, Reason, Remedy, RemedyKind, Wait
from orchestrator.vms.moments import utc
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.standing import Seen, Work
from orchestrator.vms.statuses import Status

UNHEARD = 3
"""Rings without an answer after which the node's workers are said to be silent: about half a minute."""


def at_rest(seen: Seen) -> Wait:
    """Nothing more happens by itself: as was asked for, or because it was given up."""
    vm = seen.vm
    if vm.status == Status.FAILED:
        remedy = Remedy(RemedyKind.REQUEST, "nothing is left of it: ask for a new one")
    elif vm.status == Status.STOPPED and vm.failure_reason is not None:
        remedy = Remedy(RemedyKind.START, "its disk is kept: start it again", vm_id=vm.id)
    else:
        return Wait(None)
    return Wait(None, since=seen.since, blockers=errors(vm.failure_reason), remedies=(remedy,))


def owner(seen: Seen) -> Wait:
    """An interrupted VM that does not come back by itself."""
    vm = seen.vm
    remedies = [Remedy(RemedyKind.START, "start it", vm_id=vm.id)]
    if vm.auto_restart is False:
        remedies.append(Remedy(RemedyKind.AUTO_RESTART, "let it come back by itself", vm_id=vm.id))
    return Wait(
        "it was interrupted, and is left to its owner to start",
        since=seen.since,
        estimate=Estimate(None, "that is for its owner to say"),
        blockers=errors(vm.failure_reason),
        remedies=tuple(remedies),
    )


def working(seen: Seen, work: Work, usual: Usual) -> Wait:
    """A worker is at it."""
    return _on_its_way(seen, work, usual, f"{work.operation.step} is under way on node {seen.node.id}")


def worker(seen: Seen, work: Work, usual: Usual) -> Wait:
    """It is due, and no worker has taken it yet."""
    wait = _on_its_way(seen, work, usual, f"{work.operation.step} waits for a worker of node {seen.node.id}")
    if work.operation.rings < UNHEARD:
        return wait
    silent = Blocker(
        BlockerKind.NODE, f"the workers of node {seen.node.id} did not answer {work.operation.rings} messages"
    )
    start = Remedy(
        RemedyKind.OPERATOR, f"an operator starts a worker: innkeeper worker --node {seen.node.id}"
    )
    return Wait(
        wait.waits_for,
        wait.since,
        Estimate(None, f"no worker of node {seen.node.id} is heard of"),
        blockers=(silent, *wait.blockers),
        remedies=(start,),
    )


def retry(seen: Seen, work: Work, usual: Usual) -> Wait:
    """It did not succeed, and is tried again after a while."""
    seconds = max(0.0, (work.operation.not_before - seen.now).total_seconds())
    text = f"{work.operation.step} is tried again in {duration(seconds)} on node {seen.node.id}"
    wait = _on_its_way(seen, work, usual, text)
    pause = Estimate(seconds, f"a pause of {duration(seconds)}")
    remedy = Remedy(RemedyKind.WAIT, "wait: it is tried again by itself", seconds=round(seconds))
    again = wait.estimate and pause.then(wait.estimate)
    return Wait(wait.waits_for, wait.since, again, blockers=wait.blockers, remedies=(remedy,))


def notice(seen: Seen, work: Work, usual: Usual) -> Wait:
    """It runs, and will be interrupted."""
    record = seen.interruption
    until = work.operation.not_before if record is None else record.notice_until
    left = max(0.0, (until - seen.now).total_seconds())
    rest = usual.left(Kind.INTERRUPT, Step.SHUTDOWN)
    return Wait(
        f"it runs until its notice ends at {utc(until)}; then it is shut down, and its disk is kept",
        since=work.since if record is None else record.announced_at,
        estimate=Estimate(left, f"the notice ends in {duration(left)}").then(rest),
        blockers=errors(work.operation.last_error),
        remedies=(Remedy(RemedyKind.WAIT, "save your work before the notice ends", seconds=round(left)),),
    )


def node_offline(seen: Seen, others: tuple[Remedy, ...]) -> Wait:
    """Its node does not answer. `others`: where a new request would be admitted."""
    node, work, since = seen.node, seen.work, seen.node.offline_since
    if work is not None and seen.vm.status != Status.OFFLINE:
        text = f"{work.operation.step} waits until node {node.id} answers"
    else:
        text = (
            f"it waits until node {node.id} answers; it was {seen.vm.status_before_offline or seen.vm.status}"
        )
    fact = f"node {node.id} does not answer"
    if since is None and seen.vm.status == Status.OFFLINE:
        fact = f"node {node.id} answers again, and is being looked at"
    blockers = (Blocker(BlockerKind.NODE, fact), *errors(None if work is None else work.operation.last_error))
    return Wait(
        text,
        since=since or (seen.since if work is None else work.since),
        estimate=Estimate(None, "nobody knows when a node that does not answer is back"),
        blockers=blockers,
        remedies=(*others, Remedy(RemedyKind.OPERATOR, f"an operator brings node {node.id} back")),
    )


def node_draining(seen: Seen, others: tuple[Remedy, ...]) -> Wait:
    """It is interrupted, and its node takes no VMs."""
    node = seen.node
    return Wait(
        f"it waits until node {node.id}, which is being drained, takes VMs again",
        since=seen.since,
        estimate=Estimate(None, "nobody knows when a node that is being drained is back in service"),
        blockers=(Blocker(BlockerKind.NODE, f"node {node.id} is being drained"),),
        remedies=(
            *others,
            Remedy(
                RemedyKind.OPERATOR,
                f"an operator ends the drain: innkeeper node undrain {node.id}",
            ),
        ),
    )


def operator(seen: Seen) -> Wait:
    """It failed for good where nothing may be given up, or nobody takes it where it should go."""
    node, vm, work = seen.node.id, seen.vm, seen.work
    if work is None:
        return Wait(
            f"it is {vm.status}, and nothing is under way with it: an operator of node {node} has to look",
            since=seen.since,
            estimate=Estimate(None, "that depends on an operator"),
            remedies=(Remedy(RemedyKind.OPERATOR, "an operator looks why nothing is under way"),),
        )
    seconds = max(0.0, (work.operation.not_before - seen.now).total_seconds())
    return Wait(
        f"{work.operation.step} waits for an operator of node {node}",
        since=work.since,
        estimate=Estimate(None, "that depends on an operator"),
        blockers=errors(work.operation.last_error),
        remedies=(
            Remedy(
                RemedyKind.OPERATOR,
                f"an operator mends what the error says; it is tried again in {duration(seconds)}, or at "
                "once by innkeeper.ops.retry",
                seconds=round(seconds),
            ),
        ),
    )


def lacking(seen: Seen, work: Work, usual: Usual) -> Wait:
    """It has its GPUs, and lacks something else of the node, such as an address or room on a disk."""
    del usual
    what = work.operation.last_error or "something of the node that is used up"
    return Wait(
        f"{work.operation.step} waits for what node {seen.node.id} is short of: {what}",
        since=work.since,
        estimate=Estimate(None, "nobody knows when another VM gives it up"),
        blockers=errors(work.operation.last_error),
        remedies=(Remedy(RemedyKind.OPERATOR, f"an operator adds what node {seen.node.id} is short of"),),
    )


ON_ITS_WAY: Mapping[Reason, Callable[[Seen, Work, Usual], Wait]] = {
    Reason.WORKING: working,
    Reason.WORKER: worker,
    Reason.RETRY: retry,
    Reason.NOTICE: notice,
    Reason.CAPACITY: lacking,
}
"""Reasons that an operation has for itself, whatever becomes of others."""


def _on_its_way(seen: Seen, work: Work, usual: Usual, text: str) -> Wait:
    """What is left of the operation; or of the one that overtakes it."""
    left = usual.left(*work.at, work.elapsed)
    if work.next is not None:
        kind, step = work.next
        text = f"{text}; it ends at its next safe point, and the {kind} that was asked for follows"
        left = usual.left(kind, step)
    return Wait(text, work.since, left, blockers=errors(work.operation.last_error))


def errors(text: str | None) -> tuple[Blocker, ...]:
    """What went wrong last, if anything did."""
    return () if text is None else (Blocker(BlockerKind.ERROR, text),)
