"""VMs that live without a hypervisor: their operations are completed by hand."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from orchestrator.catalog.models import Node
from orchestrator.gpus import claims
from orchestrator.vms import operations
from orchestrator.vms.models import Event, Interruption, Operation, Vm
from orchestrator.vms.pipelines import PIPELINES, Kind, Step
from tests.seed import Seed


@dataclass
class Life:
    """A store with VMs, and hands that do what workers would."""

    seed: Seed

    def vm(self, **changes: Any) -> Vm:
        """One that was just accepted."""
        return self.seed.vm(**changes)

    def running(self, **changes: Any) -> Vm:
        """One that runs."""
        vm = self.vm(**changes)
        self.finish(vm)
        return vm

    def live(self, vm: Vm) -> Operation | None:
        """What is under way."""
        with self.seed.database.transaction() as tx:
            return operations.live(tx, vm.id)

    def operation(self, vm: Vm) -> Operation:
        """What is under way; something is."""
        found = self.live(vm)
        assert found is not None
        return found

    def finish(self, vm: Vm) -> None:
        """All remaining steps of what is under way."""
        with self.seed.database.transaction() as tx:
            row = tx.get_one(Vm, vm.id)
            operation = operations.live(tx, vm.id)
            assert operation is not None
            for step in PIPELINES[Kind(operation.kind)].rest(Step(operation.step)):
                operations._enter(tx, operation, row, "test")
                if step is Step.RELEASE:
                    claims.release(tx, row, because="test")
                operations.advance(tx, operation, row)

    def interrupted(self, vm: Vm) -> None:
        """Its notice is over and it is off."""
        self.interrupted_row(vm.id)

    def interrupted_row(self, vm_id: UUID) -> None:
        self.shift_notices()
        with self.seed.database.transaction() as tx:
            vm = tx.get_one(Vm, vm_id)
        self.finish(vm)

    def shift_notices(self) -> None:
        """All notices are over."""
        with self.seed.database.transaction() as tx:
            tx.execute(
                update(Interruption).values(notice_until=func.clock_timestamp() - timedelta(seconds=1))
            )

    def age(self, vm: Vm, *, seconds: float) -> None:
        """Its operation began that long ago."""
        with self.seed.database.transaction() as tx:
            tx.execute(
                update(Operation)
                .where(Operation.vm_id == vm.id)
                .values(created_at=Operation.created_at - timedelta(seconds=seconds))
            )

    def past(self, vm: Vm, *, seconds: float) -> None:
        """It was interrupted that long ago."""
        ago = timedelta(seconds=seconds)
        with self.seed.database.transaction() as tx:
            tx.execute(
                update(Interruption)
                .where(Interruption.vm_id == vm.id, Interruption.interrupted_at.is_not(None))
                .values(
                    announced_at=Interruption.announced_at - ago,
                    notice_until=Interruption.notice_until - ago,
                    interrupted_at=Interruption.interrupted_at - ago,
                )
            )

    def offline(self, node: str) -> None:
        """The node does not answer."""
        with self.seed.database.transaction() as tx:
            now = func.clock_timestamp()
            tx.execute(
                update(Node).where(Node.id == node).values(misses=3, missed_since=now, offline_since=now)
            )

    def status(self, vm: Vm) -> str:
        with self.seed.database.transaction() as tx:
            return tx.get_one(Vm, vm.id).status

    def told(self, vm: Vm) -> list[str]:
        """The VM's time line."""
        with self.seed.database.transaction() as tx:
            return list(tx.scalars(select(Event.text).where(Event.vm_id == vm.id).order_by(Event.id)))

    def interruptions(self) -> list[Interruption]:
        """All, the oldest first."""
        with self.seed.database.transaction() as tx:
            return list(tx.scalars(select(Interruption).order_by(Interruption.announced_at)))
