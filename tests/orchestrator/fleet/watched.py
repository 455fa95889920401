"""VMs in any status on a seeded store, and what a hypervisor shows of them."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update

from orchestrator.catalog.models import Gpu, Node
from orchestrator.fleet import remedies, watch
from orchestrator.fleet.nodes import Patience
from orchestrator.fleet.reconcile import Proof, Remedy
from orchestrator.fleet.sightings import GuestSeen, NodeSeen, Snapshot, vm_name
from orchestrator.gpus import claims
from orchestrator.gpus.models import Claim
from orchestrator.vms.models import Event, Interruption, Operation, Vm
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import Status
from orchestrator.vms.transitions import move
from tests.seed import Seed

S = Status
ROADS = {
    S.CREATING: (),
    S.STARTING: (S.STARTING,),
    S.RUNNING: (S.STARTING, S.RUNNING),
    S.STOPPED: (S.STARTING, S.RUNNING, S.STOPPING, S.STOPPED),
    S.INTERRUPTED: (S.STARTING, S.RUNNING, S.STOPPING, S.INTERRUPTED),
    S.FAILED: (S.FAILED,),
    S.DESTROYED: (S.DESTROYED,),
}


@dataclass
class Fleet:
    """The seeded store from the watch's side. Looks are so patient that one miss or two looks are enough."""

    seed: Seed
    patience: Patience = field(default_factory=lambda: Patience(misses=1, seconds=0, broadcast_seconds=0))

    def vm(self, status: Status, *, under_way: tuple[Kind, Step] | None = None, **wanted: Any) -> UUID:
        """A VM of a status, without an operation unless one is given."""
        vm_id = self.seed.vm(**wanted).id
        with self.seed.database.transaction() as tx:
            vm = tx.get_one(Vm, vm_id)
            tx.execute(delete(Event).where(Event.vm_id == vm_id))
            tx.execute(delete(Operation).where(Operation.vm_id == vm_id))
            if status in (S.STOPPED, S.INTERRUPTED, S.FAILED, S.DESTROYED) and vm.rental_type != "reserved":
                claims.release(tx, vm, because="test")
            vm.failure_reason = "test" if status is S.FAILED else None
            for station in ROADS[status]:
                move(tx, vm, station, actor="test", cause="test")
            if under_way is not None:
                kind, step = under_way
                tx.add(
                    Operation(vm_id=vm_id, node_id=vm.node_id, kind=kind.value, step=step.value, actor="test")
                )
        self.seed.bell.rung.clear()
        return vm_id

    def row(self, vm_id: UUID) -> Vm:
        with self.seed.database.transaction() as tx:
            return tx.get_one(Vm, vm_id)

    def node(self, node_id: str = "vm01") -> Node:
        with self.seed.database.transaction() as tx:
            return tx.get_one(Node, node_id)

    def set_node(self, node_id: str = "vm01", **values: Any) -> None:
        with self.seed.database.transaction() as tx:
            tx.execute(update(Node).where(Node.id == node_id).values(**values))

    def gpu(self, mapping: str) -> Gpu:
        with self.seed.database.transaction() as tx:
            return tx.scalars(select(Gpu).where(Gpu.mapping == mapping)).one()

    def operation(self, vm_id: UUID) -> Operation | None:
        """The live one."""
        with self.seed.database.transaction() as tx:
            return tx.scalar(
                select(Operation).where(Operation.vm_id == vm_id, Operation.finished_at.is_(None))
            )

    def kind(self, vm_id: UUID) -> tuple[str, str] | None:
        """Kind and step of the live operation."""
        operation = self.operation(vm_id)
        return None if operation is None else (operation.kind, operation.step)

    def interruption(self, vm_id: UUID) -> Interruption | None:
        with self.seed.database.transaction() as tx:
            return tx.scalar(select(Interruption).where(Interruption.vm_id == vm_id))

    def claims(self, vm_id: UUID) -> int:
        with self.seed.database.transaction() as tx:
            live = select(func.count()).where(Claim.vm_id == vm_id, Claim.released_at.is_(None))
            return tx.scalars(live).one()

    def told(self, vm_id: UUID) -> list[str]:
        with self.seed.database.transaction() as tx:
            return list(tx.scalars(select(Event.text).where(Event.vm_id == vm_id).order_by(Event.id)))

    def age(self, vm_id: UUID, seconds: float) -> None:
        """Let its events be older."""
        with self.seed.database.transaction() as tx:
            tx.execute(
                update(Event).where(Event.vm_id == vm_id).values(at=Event.at - timedelta(seconds=seconds))
            )

    def guest(self, vm_id: UUID, status: str = "running", **changes: Any) -> GuestSeen:
        """How it appears in the listing."""
        vm = self.row(vm_id)
        known = {"vmid": vm.vmid, "node": vm.node_id, "name": vm_name(vm_id), "status": status}
        return GuestSeen(**{**known, **changes})

    def shows(self, *guests: GuestSeen, down: tuple[str, ...] = (), uptime: int | None = 1000) -> Snapshot:
        """A listing."""
        nodes = {
            node: NodeSeen(online=False) if node in down else NodeSeen(online=True, uptime_seconds=uptime)
            for node in ("vm01", "vm02")
        }
        return Snapshot(nodes, {guest.vmid: guest for guest in guests})

    def look(self, snapshot: Snapshot | None) -> list[UUID]:
        """Apply a listing; who has to be looked at closely."""
        return [vm.vm_id for vm in watch.apply(self.seed.database, "c1", snapshot, self.patience)]

    def settle(self, snapshot: Snapshot, proof: Proof) -> list[Remedy]:
        """Apply a listing, and find the same at every close look."""
        suspects = watch.apply(self.seed.database, "c1", snapshot, self.patience)
        return [remedies.settle(self.seed.database, vm, proof) for vm in suspects]
