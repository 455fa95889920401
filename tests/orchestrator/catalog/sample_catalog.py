"""A small catalog as text, ways to change it, and VMs that live in it."""

import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text, update

from orchestrator.accounts.models import SshKey, User
from orchestrator.catalog.apply import Changes, apply
from orchestrator.catalog.check import parse
from orchestrator.intake.request import VmRequest
from orchestrator.intake.submit import Intake
from orchestrator.settings import Settings
from orchestrator.store.database import Database
from orchestrator.vms.models import Vm

SAMPLE = """\
[prices]
currency = "EUR"
storage_gb_hour = 0.0001
deposit_percent = 25
cancellation_percent = 25
discounts = { 1 = 5, 3 = 10, 6 = 20.5 }

[[gpu_types]]
id = "5090"
name = "RTX 5090"
vram_gb = 32
hourly_rate = 0.69
interruptible_hourly_rate = 0.35

[[gpu_types]]
id = "4090"
name = "RTX 4090"
vram_gb = 24
hourly_rate = 0.40
interruptible_hourly_rate = 0.2

[[clusters]]
id = "c1"
endpoints = ["https://10.0.0.1:8006", "https://10.0.0.2:8006"]
token_id = "innkeeper@pve!orchestrator"
token = "env:PVE_TOKEN"
tls = { ca_file = "/etc/innkeeper/ca.pem" }
vmid_first = 100000
vmid_last = 199999

[[nodes]]
id = "vm01"
cluster = "c1"
pve_name = "pve1"
cpu_cores = 64
ram_gb = 512
storage = "local-zfs"
[nodes.addresses]
mode = "static"
subnets = ["10.1.0.0/24"]
pool = ["10.1.0.10-10.1.0.12"]
gateway = "10.1.0.1"
[[nodes.gpus]]
mapping = "gpu-a"
type = "5090"
[[nodes.gpus]]
mapping = "gpu-b"
type = "5090"
numa_node = 1

[[nodes]]
id = "vm02"
cluster = "c1"
cpu_cores = 32
ram_gb = 256
storage = "local-lvm"
addresses.subnets = ["10.2.0.0/24"]
[[nodes.gpus]]
mapping = "gpu-a"
type = "4090"

[[templates]]
vmid = 9000
name = "Ubuntu"
disk_gb = 20
auth_methods = ["ssh_key"]
[templates.copies]
vm01 = 9001
vm02 = 9002
"""


def changed(*replacements: tuple[str, str], catalog: str = SAMPLE) -> str:
    """The sample with each first text, which is in it once, replaced by the second."""
    for old, new in replacements:
        assert catalog.count(old) == 1, f"{old!r} is there {catalog.count(old)} times"
        catalog = catalog.replace(old, new)
    return catalog


def without(table: str, catalog: str = SAMPLE) -> str:
    """The sample without the paragraph that begins with these lines."""
    (paragraph,) = [part for part in catalog.split("\n\n") if part.startswith(table)]
    return "\n\n".join(part for part in catalog.split("\n\n") if part != paragraph)


def apply_text(database: Database, catalog: str = SAMPLE) -> Changes:
    """Apply a catalog in a transaction of its own."""
    with database.transaction() as tx:
        return apply(tx, parse(catalog, "catalog.toml"))


@dataclass(frozen=True)
class Tenant:
    """A user with a key who rents VMs."""

    database: Database
    user_id: int

    def rents(self, **changes: Any) -> Vm:
        """A VM that was accepted just now."""
        body = {"node": "vm01", "gpu_type": "5090", "gpu_count": 1, "storage_gb": 50, "template_vmid": 9000}
        settings = Settings(password_rounds=1000, _env_file=None)
        return Intake(self.database, settings).submit(self.user_id, VmRequest(**body | changes)).vm

    def moves(self, vm: Vm, *statuses: str) -> None:
        """Take the VM through statuses; once it runs, its create operation is done."""
        with self.database.transaction() as tx:
            for status in statuses:
                reason = "tried in vain" if status == "failed" else None
                tx.execute(update(Vm).where(Vm.id == vm.id).values(status=status, failure_reason=reason))
            tx.execute(
                text("UPDATE operations SET state = 'done', finished_at = now() WHERE vm_id = :vm"),
                {"vm": vm.id},
            )

    def gives_back(self, vm: Vm) -> None:
        """End its claims and give its address back: it waits for nothing any more."""
        with self.database.transaction() as tx:
            tx.execute(
                text("UPDATE operations SET state = 'done', finished_at = now() WHERE vm_id = :vm"),
                {"vm": vm.id},
            )
            tx.execute(
                text(
                    "UPDATE claims SET released_at = now(), released_because = 'destroyed' WHERE vm_id = :vm"
                ),
                {"vm": vm.id},
            )
            tx.execute(text("UPDATE addresses SET vm_id = NULL WHERE vm_id = :vm"), {"vm": vm.id})


def tenant(database: Database) -> Tenant:
    """Write the user."""
    with database.transaction() as tx:
        user = User(email="guest@example.org", subject="guest", max_vms=100, max_hourly_spend=1000)
        tx.add(user)
        tx.flush()
        key = {"public_key": "ssh-ed25519 AAAA", "fingerprint": f"SHA256:{uuid.uuid4()}"}
        tx.add(SshKey(user_id=user.id, slot=1, label="key", key_type="ssh-ed25519", **key))
        return Tenant(database, user.id)
