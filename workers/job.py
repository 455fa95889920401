"""A snapshot of everything a step needs to know, read in one short transaction."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select

from orchestrator.catalog.models import Cluster, Node, Template, TemplateCopy
from orchestrator.fleet.sightings import marker, vm_name
from orchestrator.gpus.claims import held_mappings
from orchestrator.store.database import Transaction
from orchestrator.vms import addresses, vmids
from orchestrator.vms.models import Interruption, Vm
from orchestrator.vms.operations import Lease, OperationRef


@dataclass(frozen=True)
class TemplateSource:
    """Where the template of the VM lies for its node, and what is in it."""

    vmid: int
    pve_node: str
    disk: str


@dataclass(frozen=True)
class Place:
    """The node as its hypervisor knows it."""

    cluster_id: str
    node_id: str
    pve_node: str
    pool: str | None
    storage: str
    full_clone: bool
    bridge: str
    subnets: tuple[str, ...]
    gateway: str | None
    prefix_length: int | None
    ssh_port: int


@dataclass(frozen=True)
class Login:
    """How the user gets in. The hash is SHA-512 crypt, never the password."""

    method: Literal["ssh_key", "password"]
    user: str
    public_key: str | None
    password_hash: str | None = field(repr=False)


@dataclass(frozen=True)
class Notice:
    """The announced interruption of the VM. `seconds_left` until its shutdown, when the job was loaded."""

    id: UUID
    displaced_by: UUID | None
    until: datetime
    seconds_left: float
    cause: str


@dataclass(frozen=True)
class Job:
    """The VM as the step should make it."""

    operation: OperationRef
    vm_id: UUID
    vmid: int
    cpu_cores: int
    ram_gb: int
    storage_gb: int
    place: Place
    template: TemplateSource
    login: Login
    mappings: dict[int, str]
    """PVE resource mapping of each claimed GPU, by `hostpci` number."""
    static_address: str | None
    clone_asked: bool
    """Whether something of ours can stand under the VMID at all."""
    notice: Notice | None

    @property
    def name(self) -> str:
        """The PVE name, which becomes the guest's hostname (at most 63 characters)."""
        return vm_name(self.vm_id)

    @property
    def marker(self) -> str:
        """The line of the description that proves that a PVE VM is this VM."""
        return marker(self.vm_id)


def load(tx: Transaction, lease: Lease) -> Job:
    """Read the job behind a lease."""
    vm, node, cluster, template, copy = tx.execute(
        select(Vm, Node, Cluster, Template, TemplateCopy)
        .join(Node, Node.id == Vm.node_id)
        .join(Cluster, Cluster.id == Vm.cluster_id)
        .join(Template, Template.vmid == Vm.template_vmid)
        .join(
            TemplateCopy,
            (TemplateCopy.template_vmid == Vm.template_vmid) & (TemplateCopy.node_id == Vm.node_id),
        )
        .where(Vm.id == lease.operation.vm_id)
    ).one()
    return Job(
        operation=lease.operation,
        vm_id=vm.id,
        vmid=vm.vmid,
        cpu_cores=vm.cpu_cores,
        ram_gb=vm.ram_gb,
        storage_gb=vm.storage_gb,
        place=Place(
            cluster_id=cluster.id,
            node_id=node.id,
            pve_node=node.pve_name,
            pool=cluster.pool,
            storage=node.storage,
            full_clone=node.full_clone,
            bridge=node.bridge,
            subnets=tuple(node.subnets),
            gateway=node.gateway,
            prefix_length=node.prefix_length,
            ssh_port=node.ssh_port,
        ),
        template=TemplateSource(copy.pve_vmid, copy.pve_node, template.disk),
        login=Login(
            method="password" if vm.auth_method == "password" else "ssh_key",
            user=vm.login_user,
            public_key=vm.ssh_public_key,
            password_hash=vm.password_hash,
        ),
        mappings=held_mappings(tx, vm),
        static_address=addresses.held(tx, vm),
        clone_asked=vmids.clone_was_asked(tx, vm),
        notice=_notice(tx, vm),
    )


def _notice(tx: Transaction, vm: Vm) -> Notice | None:
    left = func.extract("epoch", Interruption.notice_until - func.clock_timestamp())
    found = tx.execute(
        select(Interruption, left).where(Interruption.vm_id == vm.id, Interruption.state == "announced")
    ).one_or_none()
    if found is None:
        return None
    record, seconds = found
    return Notice(record.id, record.displaced_by, record.notice_until, float(seconds), record.cause)
