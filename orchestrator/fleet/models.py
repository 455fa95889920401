"""What the watch doubts, what the sweep found and a person has to look at, and GPUs under suspicion."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from orchestrator.fleet.sightings import DOUBTFUL
from orchestrator.store.base import Base, Created, Moment, SerialKey, one_of


class Doubt(Base):
    """PVE's listing shows a VM other than the store has it; gone when they agree, or when it was settled.

    The listing is seconds old, so one look proves nothing: `looks` in a row that showed the same.
    """

    __tablename__ = "doubts"
    __table_args__ = (
        one_of("shown", DOUBTFUL),
        CheckConstraint("looks > 0", name="somebody_looked"),
    )

    vm_id: Mapped[UUID] = mapped_column(ForeignKey("vms.id"), primary_key=True)
    shown: Mapped[str]
    looks: Mapped[int] = mapped_column(server_default="1")
    since: Mapped[Created]


class Finding(Base):
    """A difference between PVE and the store that Innkeeper may not mend by itself; open until it is gone.

    `command` is what an operator has to run on the node. `vm_id` is what a marker says, known to us or not.
    """

    __tablename__ = "findings"
    __table_args__ = (
        Index(
            "uq_findings_one_open", "cluster_id", "key", unique=True, postgresql_where=text("gone_at IS NULL")
        ),
        CheckConstraint("last_seen_at >= first_seen_at", name="seen_last_after_first"),
    )

    id: Mapped[SerialKey]
    cluster_id: Mapped[str] = mapped_column(ForeignKey("clusters.id"))
    key: Mapped[str]
    """Kind and object: the same difference seen again is the same finding."""
    kind: Mapped[str]
    node_id: Mapped[str | None] = mapped_column(ForeignKey("nodes.id"))
    vmid: Mapped[int | None]
    vm_id: Mapped[UUID | None]
    text: Mapped[str]
    command: Mapped[str | None]
    first_seen_at: Mapped[Created]
    last_seen_at: Mapped[Created]
    gone_at: Mapped[Moment | None]


class GpuStrike(Base):
    """A VM that could not be started with a GPU; two different VMs put it into quarantine."""

    __tablename__ = "gpu_strikes"

    gpu_id: Mapped[int] = mapped_column(ForeignKey("gpus.id"), primary_key=True)
    vm_id: Mapped[UUID] = mapped_column(ForeignKey("vms.id"), primary_key=True)
    at: Mapped[Created]
    reason: Mapped[str]
