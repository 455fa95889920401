"""A small catalog and a user, written straight into the tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from orchestrator.accounts.models import SshKey, User
from orchestrator.catalog.models import (
    Address,
    Cluster,
    Gpu,
    GpuType,
    Node,
    PriceList,
    Template,
    TemplateCopy,
)
from orchestrator.intake.request import VmRequest
from orchestrator.intake.submit import Intake
from orchestrator.settings import Settings
from orchestrator.store.database import Database
from orchestrator.vms.models import Vm
from orchestrator.vms.operations import OperationRef

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK9jk3/fA8JxVOqYSp9Re7PbrivT1Nl7oSaACoBRVPVE test"
PASSWORD = "correct horse battery"
SETTINGS = Settings(password_rounds=1000, _env_file=None)


class RecordingBell:
    """Keeps what would have been sent: chains of operations, and what the scheduler would be told."""

    def __init__(self) -> None:
        self.rung: list[OperationRef] = []
        self.told: list[object] = []

    def ring(self, announced: Sequence[object]) -> None:
        for what in announced:
            if isinstance(what, OperationRef):
                self.rung.append(what)
            else:
                self.told.append(what)


@dataclass(frozen=True)
class Seed:
    """What was written, and a door to ask for VMs."""

    database: Database
    user_id: int
    bell: RecordingBell
    intake: Intake

    def body(self, **changes: Any) -> dict[str, Any]:
        """A request body that is accepted."""
        body = {"node": "vm01", "gpu_type": "5090", "gpu_count": 1, "storage_gb": 50, "template_vmid": 100}
        return {**body, **changes}

    def vm(self, **changes: Any) -> Vm:
        """A VM that was just accepted."""
        return self.intake.submit(self.user_id, VmRequest(**self.body(**changes))).vm


def seed_catalog(
    database: Database, *, nodes: int = 2, gpus: int = 8, static: bool = False, max_vms: int = 100
) -> Seed:
    """Write cluster `c1`, its nodes, GPUs of type 5090 and 4090, a template, prices and a user."""
    with database.transaction() as tx:
        tx.add_all(
            [
                Cluster(
                    id="c1",
                    endpoints=["https://127.0.0.1:8006"],
                    token_id="innkeeper@pve!orchestrator",
                    token_source="env:TEST_TOKEN",
                    pool="innkeeper",
                    vmid_first=100_000,
                    vmid_last=199_999,
                    vmid_next=100_000,
                ),
                GpuType(
                    id="5090",
                    name="RTX 5090",
                    vram_gb=32,
                    hourly_rate=Decimal("0.50"),
                    interruptible_hourly_rate=Decimal("0.20"),
                ),
                GpuType(
                    id="4090",
                    name="RTX 4090",
                    vram_gb=24,
                    hourly_rate=Decimal("0.30"),
                    interruptible_hourly_rate=Decimal("0.10"),
                ),
                PriceList(
                    id=1,
                    currency="USD",
                    storage_gb_hour=Decimal("0.0001"),
                    discount_1=Decimal(5),
                    discount_3=Decimal(10),
                    discount_6=Decimal(20),
                    deposit_percent=Decimal(25),
                    cancellation_percent=Decimal(25),
                ),
                Template(
                    vmid=100,
                    name="ubuntu-22.04",
                    description="",
                    disk="scsi0",
                    disk_gb=10,
                    login_user="ubuntu",
                    auth_methods=["ssh_key", "password"],
                ),
            ]
        )
        tx.flush()
        for number in range(1, nodes + 1):
            _node(tx, f"vm{number:02}", gpus, static=static)
        user = User(
            email="guest@example.org", subject="guest", max_vms=max_vms, max_hourly_spend=Decimal(1000)
        )
        tx.add(user)
        tx.flush()
        tx.add(
            SshKey(
                user_id=user.id,
                slot=1,
                label="k",
                key_type="ssh-ed25519",
                public_key=PUBLIC_KEY,
                fingerprint="SHA256:x",
            )
        )
        user_id = user.id
    bell = RecordingBell()
    database.announce = bell.ring
    return Seed(database, user_id, bell, Intake(database, SETTINGS))


def _node(tx: Any, name: str, gpus: int, *, static: bool) -> None:
    tx.add(
        Node(
            id=name,
            cluster_id="c1",
            pve_name=name,
            cpu_model="EPYC",
            pcie_gen="5.0",
            cpu_cores=66,
            ram_gb=520,
            reserved_cores=2,
            reserved_ram_gb=8,
            storage="local-zfs",
            full_clone=False,
            bridge="vmbr0",
            address_mode="static" if static else "dhcp",
            subnets=["127.64.0.0/10"],
            gateway="127.64.0.1" if static else None,
            prefix_length=10 if static else None,
            ssh_port=22,
        )
    )
    tx.flush()
    for slot in range(gpus):
        tx.add(
            Gpu(
                node_id=name,
                mapping=f"gpu-{name}-{slot}",
                gpu_type="5090",
                numa_node=slot * 2 // max(gpus, 1),
                pcie_root=str(slot // 2),
            )
        )
    tx.add(TemplateCopy(template_vmid=100, node_id=name, pve_vmid=9000 + int(name[2:]), pve_node=name))
    if static:
        tx.add_all([Address(node_id=name, address=f"127.65.{int(name[2:])}.{host}") for host in (10, 11)])
