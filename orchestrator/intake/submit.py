"""Submission: one transaction writes the VM, its claims and its operation; then the chain is sent."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select

from orchestrator.accounts.models import User
from orchestrator.billing.models import Reservation
from orchestrator.billing.pricing import DAYS_PER_MONTH
from orchestrator.catalog.models import PriceList
from orchestrator.errors import Unauthenticated
from orchestrator.gpus import claims
from orchestrator.intake import capacity, idempotency
from orchestrator.intake.admission import Admitted, admit
from orchestrator.intake.passwords import crypt
from orchestrator.intake.request import RentalType, VmRequest
from orchestrator.settings import Settings
from orchestrator.store.database import Database, Transaction
from orchestrator.vms import addresses, events, operations, vmids
from orchestrator.vms.models import Vm
from orchestrator.vms.pipelines import Kind


@dataclass(frozen=True)
class Submitted:
    """The VM, and whether this request made it (or an earlier one with the same key)."""

    vm: Vm
    created: bool


class Intake:
    """The library door: what the HTTP API does with POST /vms, for any API layer."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    def submit(self, user_id: int, request: VmRequest, *, idempotency_key: str | None = None) -> Submitted:
        """Accept a request: from now on the VM will run, or fail with a reason and nothing left behind.

        Raises InvalidRequest, StateConflict, QuotaExceeded, InsufficientCapacity, IdempotencyMismatch.
        """
        password_hash = (
            None
            if request.password is None
            else crypt(request.password, rounds=self._settings.password_rounds)
        )
        with self._database.transaction() as tx:
            user = tx.scalar(select(User).where(User.id == user_id).with_for_update(key_share=True))
            if user is None or user.disabled_at is not None:
                raise Unauthenticated("This account does not exist or is disabled.")
            if idempotency_key is not None:
                earlier = idempotency.earlier_vm(tx, user, idempotency_key, request)
                if earlier is not None:
                    return Submitted(earlier, created=False)
            admitted = admit(tx, user, request)
            vm = _write(tx, user, request, admitted, password_hash)
            secured = capacity.secure(tx, vm, self._settings.rules)
            addresses.assign(tx, vm)
            if idempotency_key is not None:
                idempotency.keep(tx, user, idempotency_key, request, vm.id)
            operation = operations.begin(tx, vm, Kind.CREATE, actor=f"user:{user.id}")
            events.record(tx, vm.id, "accepted", actor=f"user:{user.id}", operation_id=operation.id)
            if not secured:
                capacity.wait(tx, operation, vm)
            tx.flush()
            tx.refresh(vm)
        return Submitted(vm, created=True)


def _write(
    tx: Transaction, user: User, request: VmRequest, admitted: Admitted, password_hash: str | None
) -> Vm:
    vm_id = uuid4()
    claims.gate(tx, admitted.node.id)
    reservation_id = _reserve_term(tx, user, request, admitted)
    vm = Vm(
        id=vm_id,
        user_id=user.id,
        cluster_id=admitted.node.cluster_id,
        node_id=admitted.node.id,
        vmid=vmids.issue(tx, admitted.node.cluster_id, vm_id),
        gpu_type=request.gpu_type,
        gpu_count=request.gpu_count,
        storage_gb=request.storage_gb,
        ram_gb=admitted.ram_gb,
        cpu_cores=admitted.cpu_cores,
        template_vmid=request.template_vmid,
        rental_type=request.rental_type.value,
        reservation_months=request.reservation_months,
        reservation_id=reservation_id,
        auto_restart=True if request.rental_type is RentalType.INTERRUPTIBLE else None,
        gpu_hourly_rate=admitted.price.gpu_hourly,
        storage_hourly_rate=admitted.price.storage_hourly,
        auth_method=request.auth_method.value,
        login_user=admitted.template.login_user,
        ssh_public_key=admitted.ssh_public_key,
        password_hash=password_hash,
    )
    tx.add(vm)
    tx.flush()
    return vm


def _reserve_term(tx: Transaction, user: User, request: VmRequest, admitted: Admitted) -> UUID | None:
    months = request.reservation_months
    if months is None or admitted.deposit is None:
        return None
    return tx.scalar(
        insert(Reservation)
        .values(
            user_id=user.id,
            node_id=admitted.node.id,
            gpu_type=request.gpu_type,
            gpu_count=request.gpu_count,
            months=months,
            discount_percent=admitted.price.discount_percent,
            deposit=admitted.deposit,
            gpu_hourly_rate=admitted.price.gpu_hourly,
            cancellation_percent=select(PriceList.cancellation_percent).scalar_subquery(),
            ends_at=func.now() + timedelta(days=DAYS_PER_MONTH * months),
        )
        .returning(Reservation.id)
    )
