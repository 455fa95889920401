"""VMs, the VMIDs they were given, their operations and their time line."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from orchestrator.store.base import Base, Created, Moment, Money, SerialKey, UuidKey, one_of
from orchestrator.vms.pipelines import PIPELINES, Kind
from orchestrator.vms.statuses import Status

RENTAL_TYPES = ("on_demand", "reserved", "interruptible")
AUTH_METHODS = ("ssh_key", "password")
OPERATION_STATES = ("open", "parked", "done", "failed", "cancelled")
PARKED_FOR = ("capacity", "node", "operator")
OVERTAKERS = (Kind.DESTROY, Kind.STOP)
CAUSES_OF_INTERRUPTION = ("reclaim", "drain", "reboot")
INTERRUPTION_STATES = ("announced", "interrupted", "restored", "cancelled")


def _steps_belong_to_their_pipeline() -> CheckConstraint:
    pairs = ", ".join(f"('{kind}', '{step}')" for kind, line in PIPELINES.items() for step in line.steps)
    return CheckConstraint(f"(kind, step) IN ({pairs})", name="step_belongs_to_kind")


class StatusTransition(Base):
    """The legal transitions, as the database enforces them (a copy of `statuses.TRANSITIONS`)."""

    __tablename__ = "status_transitions"

    from_status: Mapped[str] = mapped_column(primary_key=True)
    to_status: Mapped[str] = mapped_column(primary_key=True)


class Vmid(Base):
    """A VMID that was given out. It is never given out again, whatever became of it."""

    __tablename__ = "vmids"
    __table_args__ = (
        UniqueConstraint("cluster_id", "vmid", "vm_id"),
        CheckConstraint("(given_up_at IS NULL) = (given_up_because IS NULL)", name="giving_up_says_why"),
    )

    cluster_id: Mapped[str] = mapped_column(ForeignKey("clusters.id"), primary_key=True)
    vmid: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    vm_id: Mapped[UUID] = mapped_column(
        ForeignKey("vms.id", deferrable=True, initially="DEFERRED", use_alter=True), index=True
    )
    issued_at: Mapped[Created]
    clone_asked_at: Mapped[Moment | None]
    """Before the first request for a clone; until then nothing under this number can be ours."""
    given_up_at: Mapped[Moment | None]
    given_up_because: Mapped[str | None]
    """Set when the number turned out to be taken or blocked on the hypervisor."""


class Vm(Base):
    """What a user rents."""

    __tablename__ = "vms"
    __table_args__ = (
        UniqueConstraint("id", "node_id"),
        UniqueConstraint("id", "node_id", "gpu_type"),
        UniqueConstraint("cluster_id", "vmid"),
        UniqueConstraint("reservation_id"),
        ForeignKeyConstraint(["node_id", "cluster_id"], ["nodes.id", "nodes.cluster_id"]),
        ForeignKeyConstraint(["cluster_id", "vmid", "id"], ["vmids.cluster_id", "vmids.vmid", "vmids.vm_id"]),
        Index("ix_vms_user_id_created_at", "user_id", "created_at"),
        Index("ix_vms_node_id", "node_id", postgresql_where=text("status NOT IN ('destroyed', 'failed')")),
        one_of("status", Status),
        one_of("rental_type", RENTAL_TYPES),
        one_of("auth_method", AUTH_METHODS),
        CheckConstraint("gpu_count IN (1, 2, 4, 8)", name="gpu_count_is_offered"),
        CheckConstraint("storage_gb >= 50", name="storage_has_a_minimum"),
        CheckConstraint("cpu_cores > 0 AND ram_gb > 0", name="has_cores_and_ram"),
        CheckConstraint(
            "(rental_type = 'reserved') = (reservation_months IS NOT NULL)"
            " AND (reservation_months IS NULL OR reservation_months IN (1, 3, 6))",
            name="term_goes_with_reserved",
        ),
        CheckConstraint(
            "(rental_type = 'interruptible') = (auto_restart IS NOT NULL)", name="auto_restart_fits"
        ),
        CheckConstraint(
            "(auth_method = 'ssh_key') = (ssh_public_key IS NOT NULL)", name="ssh_key_goes_with_its_method"
        ),
        CheckConstraint(
            "password_hash IS NULL OR (auth_method = 'password' AND password_hash LIKE '$6$%')",
            name="password_is_sha512_crypt",
        ),
        CheckConstraint("status <> 'failed' OR failure_reason IS NOT NULL", name="failure_says_why"),
        CheckConstraint(
            "(status = 'offline') = (status_before_offline IS NOT NULL)", name="offline_knows_what_it_was"
        ),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    cluster_id: Mapped[str]
    node_id: Mapped[str]
    vmid: Mapped[int]
    instance_label: Mapped[str | None] = mapped_column(String(100))
    gpu_type: Mapped[str] = mapped_column(ForeignKey("gpu_types.id"))
    gpu_count: Mapped[int]
    storage_gb: Mapped[int]
    ram_gb: Mapped[int]
    cpu_cores: Mapped[int]
    template_vmid: Mapped[int] = mapped_column(ForeignKey("templates.vmid"))
    rental_type: Mapped[str]
    reservation_months: Mapped[int | None]
    reservation_id: Mapped[UUID | None] = mapped_column(ForeignKey("reservations.id"))
    auto_restart: Mapped[bool | None]
    gpu_hourly_rate: Mapped[Decimal] = mapped_column(Money)
    storage_hourly_rate: Mapped[Decimal] = mapped_column(Money)
    auth_method: Mapped[str]
    login_user: Mapped[str]
    ssh_public_key: Mapped[str | None]
    password_hash: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default=Status.CREATING.value)
    status_before_offline: Mapped[str | None]
    failure_reason: Mapped[str | None]
    """Why its last operation was given up; also of a VM that could not be started and is stopped."""
    ip_address: Mapped[str | None]
    ssh_host_key_fingerprint: Mapped[str | None]
    cpu_percent: Mapped[float] = mapped_column(server_default="0")
    ram_percent: Mapped[float] = mapped_column(server_default="0")
    created_at: Mapped[Created]
    started_at: Mapped[Moment | None]
    stopped_at: Mapped[Moment | None]
    announced: Mapped["Interruption | None"] = relationship(
        primaryjoin="and_(Vm.id == foreign(Interruption.vm_id), Interruption.state == 'announced')",
        viewonly=True,
        lazy="raise",
    )
    """The interruption that it was told of and that has not come yet; for readers that ask for it."""


class Operation(Base):
    """One change asked of a VM: the durable job, and its own outbox."""

    __tablename__ = "operations"
    __table_args__ = (
        ForeignKeyConstraint(["vm_id", "node_id"], ["vms.id", "vms.node_id"]),
        Index(
            "uq_operations_one_live_a_vm",
            "vm_id",
            unique=True,
            postgresql_where=text("state IN ('open', 'parked')"),
        ),
        Index("ix_operations_due", "not_before", postgresql_where=text("state IN ('open', 'parked')")),
        Index("ix_operations_vm_id_created_at", "vm_id", "created_at"),
        Index("ix_operations_done", "kind", "finished_at", postgresql_where=text("state = 'done'")),
        Index(
            "ix_operations_done_on_node",
            "node_id",
            "kind",
            "finished_at",
            postgresql_where=text("state = 'done'"),
        ),
        one_of("kind", Kind),
        one_of("state", OPERATION_STATES),
        one_of("parked_for", PARKED_FOR),
        _steps_belong_to_their_pipeline(),
        CheckConstraint("(lease_token IS NULL) = (lease_expires_at IS NULL)", name="lease_has_an_end"),
        CheckConstraint("lease_token IS NULL OR state = 'open'", name="only_open_ones_are_leased"),
        CheckConstraint("(state = 'parked') = (parked_for IS NOT NULL)", name="parked_says_for_what"),
        CheckConstraint("(state IN ('open', 'parked')) = (finished_at IS NULL)", name="finished_has_a_time"),
        CheckConstraint("state <> 'failed' OR last_error IS NOT NULL", name="failure_says_why"),
        one_of("overtaken_by", OVERTAKERS),
        CheckConstraint(
            "(cancel_requested_by IS NULL) = (overtaken_by IS NULL)", name="overtaken_by_somebody"
        ),
        CheckConstraint("attempt >= 0 AND rings >= 0", name="counters_are_not_negative"),
    )

    id: Mapped[UuidKey]
    vm_id: Mapped[UUID]
    node_id: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="open")
    step: Mapped[str]
    attempt: Mapped[int] = mapped_column(server_default="0")
    """Starts of the present step; bounds what crashes its worker again and again."""
    memo: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    """What steps must not forget, such as the UPID of a task they started."""
    lease_token: Mapped[UUID | None] = mapped_column(Uuid, unique=True)
    lease_owner: Mapped[str | None]
    lease_expires_at: Mapped[Moment | None]
    not_before: Mapped[Created]
    step_started_at: Mapped[Moment | None]
    rung_at: Mapped[Moment | None]
    rings: Mapped[int] = mapped_column(server_default="0")
    """Rings since the last start; the wake duty rings ever more slowly for a pool that does not answer."""
    last_error: Mapped[str | None]
    parked_for: Mapped[str | None]
    cancel_requested_by: Mapped[str | None]
    overtaken_by: Mapped[str | None]
    """The kind of operation that overtakes this one, and who asked for it: it ends at its next safe point."""
    actor: Mapped[str]
    created_at: Mapped[Created]
    finished_at: Mapped[Moment | None]


class Event(Base):
    """One line of a VM's time line: what happened, by whom, when and why."""

    __tablename__ = "events"
    __table_args__ = (
        ForeignKeyConstraint(
            ["from_status", "to_status"], ["status_transitions.from_status", "status_transitions.to_status"]
        ),
        CheckConstraint(
            "kind = 'status' OR (from_status IS NULL AND to_status IS NULL)", name="only_status_moves"
        ),
        Index("ix_events_vm_id_id", "vm_id", "id"),
        one_of("kind", ("status", "step", "note")),
    )

    id: Mapped[SerialKey]
    vm_id: Mapped[UUID] = mapped_column(ForeignKey("vms.id"))
    operation_id: Mapped[UUID | None] = mapped_column(ForeignKey("operations.id"))
    at: Mapped[Moment] = mapped_column(server_default=text("clock_timestamp()"))
    actor: Mapped[str]
    kind: Mapped[str]
    from_status: Mapped[str | None]
    to_status: Mapped[str | None]
    step: Mapped[str | None]
    attempt: Mapped[int | None]
    text: Mapped[str]


class Interruption(Base):
    """One reclaimed VM: who displaced it, when, and when it came back.

    `notice_until` is when its shutdown may begin. `displaced_by` is the VM that waits for its GPUs, if one
    does. `tries` counts restores that were given up.
    """

    __tablename__ = "interruptions"
    __table_args__ = (
        ForeignKeyConstraint(["vm_id", "node_id"], ["vms.id", "vms.node_id"]),
        Index(
            "uq_interruptions_one_open_a_vm",
            "vm_id",
            unique=True,
            postgresql_where=text("state IN ('announced', 'interrupted')"),
        ),
        Index(
            "ix_interruptions_open", "node_id", postgresql_where=text("state IN ('announced', 'interrupted')")
        ),
        Index("ix_interruptions_vm_id_announced_at", "vm_id", "announced_at"),
        one_of("cause", CAUSES_OF_INTERRUPTION),
        one_of("state", INTERRUPTION_STATES),
        CheckConstraint("(cause = 'reclaim') = (displaced_by IS NOT NULL)", name="reclaim_says_for_whom"),
        CheckConstraint(
            "state NOT IN ('interrupted', 'restored') OR interrupted_at IS NOT NULL",
            name="interrupted_has_a_time",
        ),
        CheckConstraint(
            "(state IN ('restored', 'cancelled')) = (ended_at IS NOT NULL)", name="ended_has_a_time"
        ),
        CheckConstraint("interrupted_at >= notice_until", name="the_whole_notice_is_given"),
    )

    id: Mapped[UuidKey]
    vm_id: Mapped[UUID]
    node_id: Mapped[str]
    cause: Mapped[str]
    displaced_by: Mapped[UUID | None] = mapped_column(ForeignKey("vms.id"))
    state: Mapped[str] = mapped_column(server_default="announced")
    announced_at: Mapped[Created]
    notice_until: Mapped[Moment]
    interrupted_at: Mapped[Moment | None]
    ended_at: Mapped[Moment | None]
    tries: Mapped[int] = mapped_column(server_default="0")
    tried_at: Mapped[Moment | None]


class DutyRun(Base):
    """The last run of a scheduler duty, and its last failure, for operators."""

    __tablename__ = "duty_runs"

    duty: Mapped[str] = mapped_column(primary_key=True)
    runs: Mapped[int] = mapped_column(BigInteger, server_default="0")
    last_started_at: Mapped[Moment]
    last_seconds: Mapped[float]
    last_result: Mapped[str]
    failures: Mapped[int] = mapped_column(BigInteger, server_default="0")
    last_failed_at: Mapped[Moment | None]
    last_error: Mapped[str | None]
