"""What may be rented and where: clusters, nodes, GPUs, GPU types, templates, prices."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from orchestrator.store.base import Base, Moment, Money, SerialKey, one_of

GPU_HEALTH = ("ok", "quarantined")
NODE_STATES = ("active", "draining")
QUARANTINE_CAUSES = ("start", "mapping", "foreign", "operator")
"""Why a card is not offered: it failed at a start, PVE finds its mapping wrong, somebody else's VM runs with
it, an operator said so."""


class Cluster(Base):
    """One PVE cluster (or lone host) behind one API token."""

    __tablename__ = "clusters"
    __table_args__ = (
        CheckConstraint("vmid_first >= 100 AND vmid_last <= 999999999", name="vmids_are_valid_in_pve"),
        CheckConstraint("vmid_next BETWEEN vmid_first AND vmid_last + 1", name="vmid_next_is_in_range"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    endpoints: Mapped[list[str]] = mapped_column(ARRAY(String))
    token_id: Mapped[str]
    token_source: Mapped[str]
    """Where the secret is: `env:NAME` or `file:PATH`. The secret itself is never stored."""
    ca_file: Mapped[str | None]
    fingerprint: Mapped[str | None]
    pool: Mapped[str | None]
    vmid_first: Mapped[int]
    vmid_last: Mapped[int]
    vmid_next: Mapped[int]
    retired_at: Mapped[Moment | None]


class Node(Base):
    """One Proxmox host with GPUs, by its public id."""

    __tablename__ = "nodes"
    __table_args__ = (
        UniqueConstraint("cluster_id", "pve_name"),
        UniqueConstraint("id", "cluster_id"),
        one_of("state", NODE_STATES),
        one_of("address_mode", ("dhcp", "static")),
        CheckConstraint("cpu_cores > reserved_cores AND reserved_cores >= 0", name="cores_remain"),
        CheckConstraint("ram_gb > reserved_ram_gb AND reserved_ram_gb >= 0", name="ram_remains"),
        CheckConstraint(
            "address_mode = 'dhcp' OR prefix_length IS NOT NULL", name="static_addresses_have_a_prefix"
        ),
        CheckConstraint("(misses > 0) = (missed_since IS NOT NULL)", name="misses_have_a_start"),
        CheckConstraint("offline_since IS NULL OR misses > 0", name="offline_ones_were_missed"),
        CheckConstraint("state = 'draining' OR NOT interrupts", name="only_a_drain_interrupts"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    cluster_id: Mapped[str] = mapped_column(ForeignKey("clusters.id"))
    pve_name: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="active")
    interrupts: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether the drain moves interruptible VMs out by notice, also those that are still being created."""
    cpu_model: Mapped[str | None]
    pcie_gen: Mapped[str | None]
    cpu_cores: Mapped[int]
    ram_gb: Mapped[int]
    reserved_cores: Mapped[int]
    reserved_ram_gb: Mapped[int]
    storage: Mapped[str]
    full_clone: Mapped[bool]
    bridge: Mapped[str]
    address_mode: Mapped[str]
    subnets: Mapped[list[str]] = mapped_column(ARRAY(String))
    gateway: Mapped[str | None]
    prefix_length: Mapped[int | None]
    ssh_port: Mapped[int]
    seen_at: Mapped[Moment | None]
    """When it was last seen up, and how long it had been up then: a smaller uptime later is a reboot."""
    uptime_seconds: Mapped[int | None]
    misses: Mapped[int] = mapped_column(server_default="0")
    """Looks in a row that did not find it up; with time enough it is offline."""
    missed_since: Mapped[Moment | None]
    offline_since: Mapped[Moment | None]
    rebooted_at: Mapped[Moment | None]
    """When it booted, once a smaller uptime was noticed: what ran before and is off went down with it."""
    retired_at: Mapped[Moment | None]

    @property
    def closed_because(self) -> str | None:
        """Why it takes no VMs, neither new ones nor starts; None: it does."""
        if self.offline_since is not None:
            return "does not answer"
        return "is being drained" if self.state != "active" or self.retired_at is not None else None


class GpuType(Base):
    """A model of GPU and its prices per GPU and hour."""

    __tablename__ = "gpu_types"
    __table_args__ = (
        CheckConstraint("hourly_rate > 0", name="rate_is_positive"),
        CheckConstraint(
            "interruptible_hourly_rate > 0 AND interruptible_hourly_rate <= hourly_rate",
            name="interruptible_costs_no_more",
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    vram_gb: Mapped[int]
    hourly_rate: Mapped[Decimal] = mapped_column(Money)
    interruptible_hourly_rate: Mapped[Decimal] = mapped_column(Money)
    retired_at: Mapped[Moment | None]


class Gpu(Base):
    """One passthrough device, addressed through its own PVE resource mapping."""

    __tablename__ = "gpus"
    __table_args__ = (
        UniqueConstraint("node_id", "mapping"),
        UniqueConstraint("id", "node_id", "gpu_type"),
        one_of("health", GPU_HEALTH),
        CheckConstraint(
            "(health = 'quarantined') = (quarantine_reason IS NOT NULL)", name="quarantine_says_why"
        ),
        one_of("quarantine_cause", QUARANTINE_CAUSES),
        CheckConstraint(
            "(health = 'quarantined') = (quarantine_cause IS NOT NULL)", name="quarantine_has_a_cause"
        ),
    )

    id: Mapped[SerialKey]
    node_id: Mapped[str] = mapped_column(ForeignKey("nodes.id"))
    mapping: Mapped[str]
    gpu_type: Mapped[str] = mapped_column(ForeignKey("gpu_types.id"))
    numa_node: Mapped[int]
    pcie_root: Mapped[str]
    health: Mapped[str] = mapped_column(server_default="ok")
    quarantine_cause: Mapped[str | None]
    quarantine_reason: Mapped[str | None]
    quarantined_at: Mapped[Moment | None]
    retired_at: Mapped[Moment | None]


class Template(Base):
    """A bootable image, by the VMID under which users know it."""

    __tablename__ = "templates"
    __table_args__ = (
        CheckConstraint("disk_gb > 0", name="disk_is_positive"),
        CheckConstraint("cardinality(auth_methods) > 0", name="some_login_is_possible"),
        CheckConstraint(
            "auth_methods <@ ARRAY['ssh_key', 'password']::varchar[]", name="auth_methods_are_known"
        ),
    )

    vmid: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    description: Mapped[str]
    disk: Mapped[str]
    """Key of the boot disk in the PVE configuration, e.g. `scsi0`."""
    disk_gb: Mapped[int]
    login_user: Mapped[str]
    auth_methods: Mapped[list[str]] = mapped_column(ARRAY(String))
    retired_at: Mapped[Moment | None]


class TemplateCopy(Base):
    """Where a template lies for a node: its VMID there, and the PVE node that holds it."""

    __tablename__ = "template_copies"

    template_vmid: Mapped[int] = mapped_column(ForeignKey("templates.vmid"), primary_key=True)
    node_id: Mapped[str] = mapped_column(ForeignKey("nodes.id"), primary_key=True)
    pve_vmid: Mapped[int]
    pve_node: Mapped[str]


class Address(Base):
    """One address of a node's static pool; `vm_id` is its present holder."""

    __tablename__ = "addresses"
    __table_args__ = (
        ForeignKeyConstraint(["vm_id", "node_id"], ["vms.id", "vms.node_id"]),
        Index("uq_addresses_one_a_vm", "vm_id", unique=True, postgresql_where=text("vm_id IS NOT NULL")),
    )

    node_id: Mapped[str] = mapped_column(ForeignKey("nodes.id"), primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)
    vm_id: Mapped[UUID | None]
    retired_at: Mapped[Moment | None]


class PriceList(Base):
    """Prices and discounts that hold for all GPU types: exactly one row."""

    __tablename__ = "price_list"
    __table_args__ = (
        CheckConstraint("id = 1", name="there_is_one"),
        CheckConstraint("storage_gb_hour >= 0", name="storage_is_not_negative"),
        *(
            CheckConstraint(f"{column} >= 0 AND {column} <= 100", name=f"{column}_is_a_percentage")
            for column in (
                "discount_1",
                "discount_3",
                "discount_6",
                "deposit_percent",
                "cancellation_percent",
            )
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, server_default="1")
    currency: Mapped[str]
    storage_gb_hour: Mapped[Decimal] = mapped_column(Money)
    discount_1: Mapped[Decimal] = mapped_column(Money)
    discount_3: Mapped[Decimal] = mapped_column(Money)
    discount_6: Mapped[Decimal] = mapped_column(Money)
    deposit_percent: Mapped[Decimal] = mapped_column(Money)
    """Share of the whole term's price that is due at the start."""
    cancellation_percent: Mapped[Decimal] = mapped_column(Money)
