"""Reading the store for the sweep: first what has to be looked at, then what it is compared with."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, or_, select

from orchestrator.catalog.models import Cluster, Gpu, Node, TemplateCopy
from orchestrator.fleet.comparison import Card, Number, Record, Store
from orchestrator.fleet.models import Doubt
from orchestrator.fleet.sightings import TAG, GuestSeen, Shown, Snapshot, vm_name
from orchestrator.gpus.claims import HELD
from orchestrator.store.database import Transaction
from orchestrator.vms.models import Event, Operation, Vm, Vmid
from orchestrator.vms.operations import LIVE
from orchestrator.vms.statuses import ENDED, Status


@dataclass(frozen=True)
class Plan:
    """What a sweep reads.

    `nodes`: storage and mappings by the hypervisor's name of the node. `expected`: name and node of the VMs
    that have not ended, by VMID.
    """

    first: int
    last: int
    pool: str | None
    nodes: Mapping[str, tuple[str, tuple[str, ...]]]
    expected: Mapping[int, tuple[str, str]]
    doubted: frozenset[int]
    template_nodes: frozenset[str]

    def needs_a_look(self, guest: GuestSeen, snapshot: Snapshot) -> bool:
        """Whether a guest's configuration is read.

        One that seems ours and is not where and what it should be, and every strange one that runs on a node
        with our GPUs.
        """
        if guest.template or not snapshot.reports(guest.node):
            return False
        if not guest.lock and self.expected.get(guest.vmid) == (guest.name, guest.node):
            return False
        ours = self.owns(guest.vmid) or TAG in guest.tags or guest.name.startswith("gpu-")
        strange = guest.status == "running" and guest.node in self.nodes
        return ours or strange or (guest.pool is not None and guest.pool == self.pool)

    def owns(self, vmid: int) -> bool:
        """Whether a number is of our range."""
        return self.first <= vmid <= self.last


def plan(tx: Transaction, cluster_id: str) -> Plan:
    """What is to be read of a cluster."""
    cluster = tx.get_one(Cluster, cluster_id)
    nodes = {
        node.id: node
        for node in tx.scalars(
            select(Node).where(Node.cluster_id == cluster_id, Node.retired_at.is_(None)).order_by(Node.id)
        )
    }
    mappings: dict[str, list[str]] = {node_id: [] for node_id in nodes}
    for node_id, mapping in tx.execute(
        select(Gpu.node_id, Gpu.mapping).where(Gpu.node_id.in_(nodes), Gpu.retired_at.is_(None))
    ):
        mappings[node_id].append(mapping)
    live = (
        select(Vm.id, Vm.vmid, Node.pve_name)
        .join(Node, Node.id == Vm.node_id)
        .where(Vm.cluster_id == cluster_id, Vm.status.not_in([status.value for status in ENDED]))
    )
    doubted = (
        select(Vm.vmid)
        .join(Doubt, Doubt.vm_id == Vm.id)
        .where(Vm.cluster_id == cluster_id, Doubt.shown == Shown.ABSENT.value)
    )
    copies = select(TemplateCopy.pve_node).where(TemplateCopy.node_id.in_(nodes)).distinct()
    return Plan(
        first=cluster.vmid_first,
        last=cluster.vmid_last,
        pool=cluster.pool,
        nodes={node.pve_name: (node.storage, tuple(mappings[node.id])) for node in nodes.values()},
        expected={vmid: (vm_name(vm_id), node) for vm_id, vmid, node in tx.execute(live)},
        doubted=frozenset(tx.scalars(doubted)),
        template_nodes=frozenset(tx.scalars(copies)),
    )


def load(
    tx: Transaction,
    cluster_id: str,
    *,
    vmids: Collection[int],
    markers: Collection[UUID],
    grace_seconds: float,
) -> Store:
    """What the store has about these numbers and markers, about what is doubted, and about all GPUs.

    Read after the hypervisor: what was seen there was in the store before.
    """
    cluster = tx.get_one(Cluster, cluster_id)
    ago = func.clock_timestamp() - timedelta(seconds=grace_seconds)
    given_up = func.coalesce(Vmid.given_up_at < ago, False)
    numbers = {
        vmid: Number(vm_id, left)
        for vmid, vm_id, left in tx.execute(
            select(Vmid.vmid, Vmid.vm_id, given_up).where(Vmid.cluster_id == cluster_id, Vmid.vmid.in_(vmids))
        )
    }
    wanted = {number.vm_id for number in numbers.values()} | set(markers)
    return Store(
        first=cluster.vmid_first,
        last=cluster.vmid_last,
        records={record.vm_id: record for record in _records(tx, cluster_id, wanted, grace_seconds)},
        numbers=numbers,
        cards=_cards(tx, cluster_id),
    )


def _records(
    tx: Transaction, cluster_id: str, wanted: Collection[UUID], grace_seconds: float
) -> list[Record]:
    ago = func.clock_timestamp() - timedelta(seconds=grace_seconds)
    busy = select(Operation.id).where(Operation.vm_id == Vm.id, Operation.state.in_(LIVE)).exists()
    last_event = select(func.max(Event.at)).where(Event.vm_id == Vm.id).scalar_subquery()
    missing = (
        select(Doubt.vm_id)
        .where(Doubt.vm_id == Vm.id, Doubt.shown == Shown.ABSENT.value, Doubt.since < ago)
        .exists()
    )
    holds_at_rest = Vm.status.in_([Status.STOPPED.value, Status.INTERRUPTED.value]) & (HELD > 0)
    rows = tx.execute(
        select(Vm, Node.pve_name, (~busy & (last_event < ago)).label("quiet"), HELD, missing)
        .join(Node, Node.id == Vm.node_id)
        .where(
            Vm.cluster_id == cluster_id,
            or_(Vm.id.in_(wanted), Vm.id.in_(select(Doubt.vm_id)), holds_at_rest),
        )
    )
    return [
        Record(
            vm_id=vm.id,
            vmid=vm.vmid,
            node=node,
            status=Status(vm.status),
            rental_type=vm.rental_type,
            quiet=bool(quiet),
            claims=held,
            missing=absent,
        )
        for vm, node, quiet, held, absent in rows
    ]


def _cards(tx: Transaction, cluster_id: str) -> tuple[Card, ...]:
    rows = tx.execute(
        select(Gpu.node_id, Node.pve_name, Gpu.mapping, Gpu.quarantine_cause)
        .join(Node, Node.id == Gpu.node_id)
        .where(Node.cluster_id == cluster_id, Gpu.retired_at.is_(None))
        .order_by(Gpu.id)
    )
    return tuple(Card(*row) for row in rows)
