"""What tests of explanations share: settings, and changes that nobody makes in one step."""

from typing import Any

from sqlalchemy import update

from orchestrator.catalog.models import Node
from orchestrator.scheduler.reclaim import reclaim_on
from orchestrator.settings import Settings
from orchestrator.vms.models import Operation, Vm
from tests.orchestrator.scheduler.life import Life

SETTINGS = Settings(
    cool_down_seconds=300,
    headroom=0,
    headroom_most=0,
    demand_factor=0,
    interruption_notice_seconds=120,
    capacity_wait_seconds=1800,
    password_rounds=1000,
    _env_file=None,
)
Told = dict[str, Any]


def kinds(items: list[Told]) -> list[str]:
    return [item["kind"] for item in items]


def change(life: Life, vm: Vm, **values: Any) -> None:
    """Change the live operation of a VM."""
    with life.seed.database.transaction() as tx:
        tx.execute(
            update(Operation)
            .where(Operation.vm_id == vm.id, Operation.finished_at.is_(None))
            .values(**values)
        )


def set_node(life: Life, node: str, **values: Any) -> None:
    with life.seed.database.transaction() as tx:
        tx.execute(update(Node).where(Node.id == node).values(**values))


def displaced(life: Life, *, gpus: int = 8) -> tuple[Vm, Vm]:
    """An interrupted VM and the one that took its place."""
    victim = life.running(gpu_count=gpus, rental_type="interruptible")
    waiter = life.vm(gpu_count=8)
    reclaim_on(life.seed.database, SETTINGS, "vm01")
    life.interrupted(victim)
    life.finish(waiter)
    return victim, waiter
