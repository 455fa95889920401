"""Admission: may this account have what it asks for, and what exactly would that be?"""

import uuid
from dataclasses import dataclass, field
from decimal import Decimal

from sqlalchemy import func, or_, select

from orchestrator.accounts.models import SshKey, User
from orchestrator.billing.pricing import Price, deposit, price
from orchestrator.billing.rates import rates_of
from orchestrator.catalog.models import Gpu, Node, Template, TemplateCopy
from orchestrator.catalog.sizing import share
from orchestrator.errors import InvalidRequest, QuotaExceeded
from orchestrator.gpus import claims
from orchestrator.gpus.models import Claim
from orchestrator.intake.request import AuthMethod, VmRequest
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm
from orchestrator.vms.statuses import ENDED


@dataclass(frozen=True)
class Admitted:
    """What the request comes to: everything that the VM's row will say but for its GPUs."""

    node: Node
    template: Template
    price: Price
    deposit: Decimal | None
    cpu_cores: int
    ram_gb: int
    ssh_public_key: str | None = field(repr=False)


def admit(tx: Transaction, user: User, request: VmRequest) -> Admitted:
    """Check a request against the catalog and the account.

    Raises InvalidRequest (unknown node, GPU type, template, key …), StateConflict (the node
    takes no VMs now), QuotaExceeded.
    """
    node = tx.get(Node, request.node)
    if node is None or node.retired_at is not None:
        raise InvalidRequest(f"There is no node {request.node}; GET /nodes lists them.", field="node")
    rates = rates_of(tx, request.gpu_type)
    gpus = _gpus_of(tx, node, request.gpu_type)
    if gpus < request.gpu_count:
        raise InvalidRequest(
            f"Node {node.id} has {gpus} GPUs of type {request.gpu_type} in all, not {request.gpu_count}.",
            field="gpu_count" if gpus else "gpu_type",
        )
    template = _template(tx, node, request)
    claims.require_open(tx, node.id)
    months = request.reservation_months
    priced = price(
        rates,
        rental_type=request.rental_type,
        gpu_count=request.gpu_count,
        storage_gb=request.storage_gb,
        months=months,
    )
    _check_quota(tx, user, priced)
    size = share(node, gpu_count=request.gpu_count, gpus_in_all=_cards_that_share(tx, node))
    return Admitted(
        node=node,
        template=template,
        price=priced,
        deposit=None if months is None else deposit(rates, priced, months),
        cpu_cores=size.cpu_cores,
        ram_gb=size.ram_gb,
        ssh_public_key=_ssh_key(tx, user, request),
    )


def _gpus_of(tx: Transaction, node: Node, gpu_type: str) -> int:
    offered = (Gpu.node_id == node.id, Gpu.retired_at.is_(None), Gpu.gpu_type == gpu_type)
    return tx.scalar(select(func.count()).where(*offered)) or 0


def _cards_that_share(tx: Transaction, node: Node) -> int:
    """All cards among which cores and memory are shared: a retired one counts until its VM has gone."""
    claimed = select(Claim.gpu_id).where(Claim.node_id == node.id, Claim.released_at.is_(None))
    counted = or_(Gpu.retired_at.is_(None), Gpu.id.in_(claimed))
    return tx.scalar(select(func.count()).where(Gpu.node_id == node.id, counted)) or 0


def _template(tx: Transaction, node: Node, request: VmRequest) -> Template:
    template = tx.get(Template, request.template_vmid)
    copy = tx.get(TemplateCopy, (request.template_vmid, node.id))
    if template is None or template.retired_at is not None or copy is None:
        raise InvalidRequest(
            f"There is no template {request.template_vmid} for node {node.id}; GET /templates lists them.",
            field="template_vmid",
        )
    if request.auth_method not in template.auth_methods:
        raise InvalidRequest(
            f"Template {template.vmid} ({template.name}) does not support auth_method {request.auth_method}.",
            field="auth_method",
        )
    if request.storage_gb < template.disk_gb:
        raise InvalidRequest(
            f"Template {template.vmid} ({template.name}) needs at least {template.disk_gb} GB.",
            field="storage_gb",
        )
    return template


def _ssh_key(tx: Transaction, user: User, request: VmRequest) -> str | None:
    """The text of the key that was named, or of the account's oldest one."""
    if request.auth_method is not AuthMethod.SSH_KEY:
        return None
    keys = select(SshKey).where(SshKey.user_id == user.id).order_by(SshKey.created_at, SshKey.slot)
    if request.ssh_key_id is not None:
        try:
            keys = keys.where(SshKey.id == uuid.UUID(request.ssh_key_id))
        except ValueError:
            raise _no_key(f"ssh_key_id {request.ssh_key_id!r} is not a key id") from None
    key = tx.scalar(keys.limit(1))
    if key is None:
        raise _no_key(
            "This account has no such SSH key" if request.ssh_key_id else "This account has no SSH key yet"
        )
    return key.public_key


def _no_key(what: str) -> InvalidRequest:
    return InvalidRequest(f"{what}; POST /ssh-keys adds one.", field="ssh_key_id")


def _check_quota(tx: Transaction, user: User, priced: Price) -> None:
    """The user's row is locked by the caller, so that two requests cannot pass the limit together."""
    count, spend = tx.execute(
        select(func.count(), func.coalesce(func.sum(Vm.gpu_hourly_rate + Vm.storage_hourly_rate), 0)).where(
            Vm.user_id == user.id, Vm.status.not_in([status.value for status in ENDED])
        )
    ).one()
    if count + 1 > user.max_vms:
        raise QuotaExceeded(
            f"This account may have {user.max_vms} VMs and has {count}.",
            facts={"max_vms": user.max_vms, "vms": count},
        )
    if spend + priced.hourly > user.max_hourly_spend:
        raise QuotaExceeded(
            f"This account may spend {user.max_hourly_spend:f} an hour; its VMs cost {spend:f}, "
            f"this one {priced.hourly:f} more.",
            facts={
                "max_hourly_spend": float(user.max_hourly_spend),
                "hourly_spend": float(spend),
                "requested": float(priced.hourly),
            },
        )
