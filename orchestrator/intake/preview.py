"""What a request for a VM would come to: the very checks of a submission, and nothing written."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from orchestrator.accounts.models import User
from orchestrator.errors import InsufficientCapacity, NotReady, RequestRefused
from orchestrator.gpus import claims
from orchestrator.gpus.choice import Card, choose
from orchestrator.gpus.elsewhere import elsewhere
from orchestrator.gpus.outlook import outlook
from orchestrator.gpus.snapshot import PoolKey
from orchestrator.gpus.waits import OFFERED, end_own, wait_for
from orchestrator.intake import capacity
from orchestrator.intake.admission import Admitted, admit
from orchestrator.intake.request import RentalType, VmRequest
from orchestrator.policy.estimates import Estimate
from orchestrator.policy.explain import Remedy, RemedyKind
from orchestrator.policy.outlook import Outlook
from orchestrator.policy.plan import Waiter, plan
from orchestrator.settings import Settings
from orchestrator.store.database import Transaction
from orchestrator.vms import addresses, vmids
from orchestrator.vms.estimates import usual
from orchestrator.vms.models import Vm
from orchestrator.vms.pipelines import Kind, Step


@dataclass(frozen=True)
class Displaced:
    """Interruptible VMs that would be given notice now; `own` are those of the same account."""

    vms: int
    gpus: int
    own: tuple[UUID, ...]


@dataclass(frozen=True)
class Accepted:
    """What the VM would be. `cards` it would have at once; for the rest it would be in line at `place`.

    `start`: until it runs.
    """

    admitted: Admitted
    cards: tuple[Card, ...]
    place: int | None
    displaced: Displaced | None
    start: Estimate


@dataclass(frozen=True)
class Refused:
    """The refusal, and what would be admitted instead, the cheapest change first."""

    refusal: RequestRefused
    remedies: tuple[Remedy, ...]


def preview(tx: Transaction, user_id: int, request: VmRequest, settings: Settings) -> Accepted | Refused:
    """What `Intake.submit` would do at this moment. `tx` is a snapshot.

    Raises NotReady where nothing can be said.
    """
    user = tx.get_one(User, user_id)
    try:
        admitted, cards = _decide(tx, user, request, settings)
    except NotReady:
        raise
    except RequestRefused as refusal:
        return Refused(refusal, tuple(_remedies(tx, user, request, settings, refusal)))
    if cards is not None:
        start = usual(tx, request.node, {Kind.CREATE}).left(Kind.CREATE, Step.RESERVE)
        return Accepted(admitted, cards, None, None, start)
    return _in_line(tx, user, request, settings, admitted)


def _decide(
    tx: Transaction, user: User, request: VmRequest, settings: Settings
) -> tuple[Admitted, tuple[Card, ...] | None]:
    """The checks of a submission, in their order; the GPUs it would get, or None where it has to wait."""
    admitted = admit(tx, user, request)
    vmids.require_one(tx, admitted.node.cluster_id)
    vm = Vm(
        id=uuid4(),
        node_id=request.node,
        gpu_type=request.gpu_type,
        gpu_count=request.gpu_count,
        rental_type=request.rental_type.value,
    )
    free = claims.unpromised(tx, vm.node_id, vm.gpu_type)
    cards = capacity.look(tx, vm, free, settings.rules)
    addresses.choose(tx, vm)
    return admitted, cards


def _in_line(
    tx: Transaction, user: User, request: VmRequest, settings: Settings, admitted: Admitted
) -> Accepted:
    """It displaces interruptible VMs, behind those that pay and wait already."""
    seen = _outlook(tx, request, settings)
    me = uuid4()
    pool = replace(seen.pool, waiters=(*seen.pool.waiters, Waiter(me, request.gpu_count)))
    victims = {
        victim for victim, waiter in plan(pool, settings.capacity_wait_seconds).displace if waiter == me
    }
    chosen = [one for one in seen.holders.values() if one.vm_id in victims]
    free = claims.unpromised(tx, request.node, request.gpu_type)
    ahead = len(seen.pool.waiters)
    free_in = seen.free_in(seen.missing(ahead) + request.gpu_count, displacing=True)
    return Accepted(
        admitted,
        cards=choose(free, min(len(free), request.gpu_count)) or (),
        place=ahead + 1,
        displaced=Displaced(
            vms=len(chosen),
            gpus=sum(one.gpus for one in chosen),
            own=tuple(one.vm_id for one in chosen if one.user_id == user.id),
        ),
        start=free_in.then(seen.usual.left(Kind.CREATE, Step.RESERVE)),
    )


def _remedies(
    tx: Transaction, user: User, request: VmRequest, settings: Settings, refusal: RequestRefused
) -> Iterator[Remedy]:
    """Changes of the request that are admitted now, and what would make room for it as it is."""
    changed: set[RemedyKind] = set()
    for remedy, other in _others(tx, request, settings):
        if remedy.kind not in changed and _is_admitted(tx, user, other, settings):
            changed.add(remedy.kind)
            yield remedy
    if isinstance(refusal, InsufficientCapacity):
        seen = _outlook(tx, request, settings)
        needed = seen.missing(len(seen.line)) + request.gpu_count
        yield from wait_for(seen.free_in(needed, displacing=False))
        yield from end_own(seen, user.id, needed - seen.pool.free)


def _others(tx: Transaction, request: VmRequest, settings: Settings) -> Iterator[tuple[Remedy, VmRequest]]:
    """Changed requests, the cheapest change first."""
    found = elsewhere(
        tx,
        gpu_type=request.gpu_type,
        gpu_count=request.gpu_count,
        template_vmid=request.template_vmid,
        besides=request.node,
        rules=settings.rules if request.rental_type is RentalType.INTERRUPTIBLE else None,
    )
    for node, free in found[:3]:
        text = f"ask for node {node}, which has {free} free now"
        yield Remedy(RemedyKind.NODE, text, node=node), request.model_copy(update={"node": node})
    if request.rental_type is RentalType.INTERRUPTIBLE:
        other = request.model_copy(update={"rental_type": RentalType.ON_DEMAND})
        text = "ask for rental_type on_demand, which may displace interruptible VMs"
        yield Remedy(RemedyKind.RENTAL_TYPE, text, rental_type=other.rental_type), other
    for count in OFFERED:
        if count < request.gpu_count:
            text = f"ask for gpu_count {count} instead of {request.gpu_count}"
            yield (
                Remedy(RemedyKind.GPU_COUNT, text, gpu_count=count),
                request.model_copy(update={"gpu_count": count}),
            )


def _is_admitted(tx: Transaction, user: User, request: VmRequest, settings: Settings) -> bool:
    try:
        _decide(tx, user, request, settings)
    except RequestRefused:
        return False
    return True


def _outlook(tx: Transaction, request: VmRequest, settings: Settings) -> Outlook:
    key = PoolKey(request.node, request.gpu_type)
    return outlook(tx, key, notice_seconds=settings.interruption_notice_seconds)
