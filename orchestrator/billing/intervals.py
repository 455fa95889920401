"""What a VM is charged for, opened and closed by its own transitions."""

from datetime import datetime

from orchestrator.store.database import Transaction
from orchestrator.vms.models import Vm


def follow(tx: Transaction, vm: Vm, at: datetime) -> None:
    """Open and close the intervals of use that go with the VM's status, at `at`."""
