"""VMs of a cluster, as what the hypervisor shows is held against them."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Row, Select, func, select

from orchestrator.catalog.models import Node
from orchestrator.fleet.reconcile import Facts
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Operation, Vm
from orchestrator.vms.operations import LIVE
from orchestrator.vms.pipelines import Kind, Step
from orchestrator.vms.statuses import ENDED, Status


@dataclass(frozen=True)
class Tracked:
    """Who and where a VM is, and the facts about it. `node` is the hypervisor's name of the node it belongs
    on."""

    vm_id: UUID
    vmid: int
    node_id: str
    node: str
    facts: Facts


def of_cluster(tx: Transaction, cluster_id: str) -> list[Tracked]:
    """All that have not ended."""
    return [_tracked(row) for row in tx.execute(_query().where(Vm.cluster_id == cluster_id))]


def of_vm(tx: Transaction, vm_id: UUID) -> Tracked | None:
    """One, unless it has ended."""
    row = tx.execute(_query().where(Vm.id == vm_id)).one_or_none()
    return None if row is None else _tracked(row)


def _query() -> Select[*tuple[object, ...]]:
    went_down = func.coalesce(Vm.started_at < Node.rebooted_at, False)
    return (
        select(
            Vm.id,
            Vm.vmid,
            Vm.status,
            Vm.status_before_offline,
            Vm.rental_type,
            Node.id.label("node_id"),
            Node.pve_name,
            Node.offline_since.is_not(None).label("node_offline"),
            went_down.label("went_down"),
            Operation.kind,
            Operation.step,
        )
        .join(Node, Node.id == Vm.node_id)
        .outerjoin(Operation, (Operation.vm_id == Vm.id) & Operation.state.in_(LIVE))
        .where(Vm.status.not_in([status.value for status in ENDED]))
        .order_by(Vm.id)
    )


def _tracked(row: Row[*tuple[object, ...]]) -> Tracked:
    before = row.status_before_offline
    facts = Facts(
        status=Status(row.status),
        before=None if before is None else Status(before),
        rental_type=row.rental_type,
        under_way=None if row.kind is None else (Kind(row.kind), Step(row.step)),
        node_offline=row.node_offline,
        went_down=row.went_down,
    )
    return Tracked(row.id, row.vmid, row.node_id, row.pve_name, facts)
