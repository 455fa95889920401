"""Locking a VM without waiting for it."""

from uuid import UUID

from sqlalchemy import select

from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm


def lock_if_free(tx: Transaction, vm_id: UUID) -> Vm | None:
    """The VM's row, unless somebody else holds it: who has passed a gate may not wait for a VM, and a duty
    comes again."""
    return tx.scalar(select(Vm).where(Vm.id == vm_id).with_for_update(key_share=True, skip_locked=True))
