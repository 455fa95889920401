"""VMs that live without a hypervisor, and what is said of them."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from orchestrator.accounts import users
from orchestrator.accounts.models import SshKey
from orchestrator.intake.submit import Intake
from orchestrator.vms.explanation import explain
from orchestrator.vms.models import Vm
from tests.orchestrator.scheduler.life import Life
from tests.orchestrator.vms.explained import SETTINGS, Told
from tests.seed import PUBLIC_KEY, Seed


@pytest.fixture
def life(seed: Seed) -> Life:
    return Life(replace(seed, intake=Intake(seed.database, SETTINGS)))


@pytest.fixture
def stranger(life: Life) -> Seed:
    """Another account."""
    with life.seed.database.transaction() as tx:
        user_id = users.add(tx, "stranger@example.org", max_vms=100, max_hourly_spend=Decimal(1000)).id
        tx.add(
            SshKey(
                user_id=user_id,
                slot=1,
                label="k",
                key_type="ssh-ed25519",
                public_key=PUBLIC_KEY,
                fingerprint="SHA256:y",
            )
        )
    return replace(life.seed, user_id=user_id)


@pytest.fixture
def told(life: Life) -> Callable[..., Told]:
    """What is said of a VM."""

    def look(vm: Vm, **settings: Any) -> Told:
        with life.seed.database.snapshot() as tx:
            row = tx.get_one(Vm, vm.id)
            return explain(tx, row, SETTINGS.model_copy(update=settings)).told()

    return look
