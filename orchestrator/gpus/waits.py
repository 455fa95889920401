"""Waits for GPUs: in line for them, or interrupted until there is room again."""

from dataclasses import dataclass
from datetime import datetime

from orchestrator.gpus.elsewhere import Elsewhere
from orchestrator.policy.estimates import Estimate, duration
from orchestrator.policy.explain import Place, Reason, Remedy, RemedyKind, Wait
from orchestrator.policy.outlook import Outlook
from orchestrator.policy.plan import in_vain
from orchestrator.vms.models import Vm
from orchestrator.vms.moments import utc
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.standing import Seen, Work
from orchestrator.vms.waits import errors

OFFERED = (8, 4, 2, 1)


def is_coming(outlook: Outlook, vm: Vm) -> bool:
    """Whether the GPUs that a VM in line misses are on their way, or will be reclaimed."""
    if vm.rental_type != "interruptible":
        return all(waiter.vm != vm.id for waiter in in_vain(outlook.pool))
    return outlook.missing(outlook.place(vm.id)) <= outlook.pool.coming


def in_line(
    seen: Seen, work: Work, outlook: Outlook, others: tuple[Remedy, ...], *, patience_seconds: float
) -> Wait:
    """It is to reserve, and misses GPUs. Who waits in vain is given up after `patience_seconds`."""
    vm, place = seen.vm, outlook.place(seen.vm.id)
    me = outlook.line[place - 1]
    text = f"it waits for {me.missing} more {vm.gpu_type} GPUs of node {vm.node_id}, "
    needed = outlook.missing(place)
    free_in = outlook.free_in(needed, displacing=me.pays)
    wait = wait_for(free_in)
    if is_coming(outlook, vm):
        until = outlook.last_notice()
        text += "which are on their way"
        if until is not None:
            text += f": the last notice ends at {utc(until)}"
            notice = max(0.0, (until - seen.now).total_seconds())
            wait = wait or wait_for(Estimate(notice, "until the last notice ends"))
    elif me.pays:
        left = max(0.0, patience_seconds - (seen.now - work.operation.created_at).total_seconds())
        text += "and too few are held by VMs that may be displaced: it is given up if that is still so in "
        text += duration(left)
    else:
        text += "and nobody is known to give them up"
    return Wait(
        text,
        since=work.operation.created_at,
        estimate=free_in.then(outlook.usual.left(*work.at)),
        place=Place(place, len(outlook.line)),
        blockers=outlook.blockers(vm.user_id, ahead=place - 1, vm_id=vm.id),
        remedies=(
            *wait,
            *others,
            *_fewer(outlook, vm),
            *end_own(outlook, vm.user_id, needed - outlook.pool.free, besides=vm),
        ),
    )


@dataclass(frozen=True)
class Return:
    """When an interrupted VM comes back: `not_before`, where that is only a matter of time, and its place in
    the order of return."""

    not_before: datetime | None
    place: Place


def interrupted(
    seen: Seen, reason: Reason, comes: Return, outlook: Outlook, others: tuple[Remedy, ...]
) -> Wait:
    """It is interrupted, and comes back by itself. The reason is what its next decision would be."""
    vm, spare = seen.vm, outlook.spare()
    fits = spare >= vm.gpu_count
    room = outlook.free_in(outlook.missing(len(outlook.line)) + vm.gpu_count, displacing=False)
    at = comes.not_before or seen.now
    seconds = max(0.0, (at - seen.now).total_seconds())
    match reason:
        case Reason.COOL_DOWN:
            text = f"it was interrupted, and comes back at {utc(at)} at the earliest, if there is room then"
            pause = Estimate(seconds, f"its cool-down ends in {duration(seconds)}")
            until = pause if fits else Estimate(None, f"{pause.basis}, and then there must be room")
        case Reason.HEADROOM:
            text = f"{vm.gpu_type} GPUs are kept free for requests that may not wait; it is let through at "
            text += utc(at)
            until = Estimate(seconds, f"at the latest in {duration(seconds)}")
        case Reason.CAPACITY:
            text = (
                f"it waits for {vm.gpu_count} {vm.gpu_type} GPUs of node {vm.node_id} that nobody who pays "
            )
            text += "waits for"
            until = room
        case _:
            text, until = "it comes back with the scheduler's next look", Estimate(0, "")
    start = Remedy(RemedyKind.START, f"start it yourself: {spare} GPUs are free there", vm_id=vm.id)
    missing = vm.gpu_count + outlook.missing(len(outlook.line)) - outlook.pool.free
    return Wait(
        text,
        since=seen.since,
        estimate=until.then(outlook.usual.left(Kind.RESTORE, Step.RESERVE)),
        place=comes.place,
        blockers=(
            *outlook.blockers(vm.user_id, ahead=len(outlook.line), vm_id=vm.id),
            *errors(vm.failure_reason),
        ),
        remedies=(
            *wait_for(until),
            *others,
            *((start,) if fits else end_own(outlook, vm.user_id, missing, besides=vm)),
        ),
    )


def at_nodes(others: list[Elsewhere]) -> tuple[Remedy, ...]:
    """A new request on another node: the first of those that have room."""
    return tuple(
        Remedy(
            RemedyKind.NODE,
            f"{node} has {free} free now: a new request there would be admitted at once",
            node=node,
        )
        for node, free in others[:1]
    )


def end_own(outlook: Outlook, user_id: int, missing: int, *, besides: Vm | None = None) -> tuple[Remedy, ...]:
    """The smallest VM of the account that holds all that is missing, and gives nothing up yet."""
    leaving = {one.candidate.vm for one in outlook.pool.leaving}
    own = [
        one
        for one in outlook.holders.values()
        if one.user_id == user_id and one.gpus >= missing > 0 and one.vm_id not in leaving
        if besides is None or one.vm_id != besides.id
    ]
    verb = {"reserved": "delete"}
    return tuple(
        Remedy(
            RemedyKind.OWN_VM,
            f"{verb.get(one.rental_type, 'stop')} your own VM {one.vm_id}, which holds {one.gpus}",
            vm_id=one.vm_id,
        )
        for one in sorted(own, key=lambda one: one.gpus)[:1]
    )


def wait_for(until: Estimate) -> tuple[Remedy, ...]:
    """Waiting, if it is known how long."""
    if not until.seconds:
        return ()
    text = f"wait {duration(until.seconds)} ({until.basis})"
    return (Remedy(RemedyKind.WAIT, text, seconds=round(until.seconds)),)


def _fewer(outlook: Outlook, vm: Vm) -> tuple[Remedy, ...]:
    """A new request for fewer GPUs that are free once this VM is gone."""
    spare = outlook.spare(without=vm.id)
    return tuple(
        Remedy(
            RemedyKind.GPU_COUNT,
            f"ask for {count} GPUs instead of {vm.gpu_count}, and delete this one",
            gpu_count=count,
        )
        for count in [count for count in OFFERED if count < vm.gpu_count and count <= spare][:1]
    )
