"""Claims: which VM holds which GPU."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped

from orchestrator.store.base import Base, Created, Moment, SerialKey


class Claim(Base):
    """The hold of one VM on one GPU; live while `released_at` is null.

    The foreign keys make a claim across nodes or GPU types impossible, the partial unique indexes a second
    live claim on a GPU, and a second GPU in one slot (the number of the `hostpci` entry) of a VM.
    """

    __tablename__ = "claims"
    __table_args__ = (
        ForeignKeyConstraint(["gpu_id", "node_id", "gpu_type"], ["gpus.id", "gpus.node_id", "gpus.gpu_type"]),
        ForeignKeyConstraint(["vm_id", "node_id", "gpu_type"], ["vms.id", "vms.node_id", "vms.gpu_type"]),
        Index(
            "uq_claims_one_live_a_gpu", "gpu_id", unique=True, postgresql_where=text("released_at IS NULL")
        ),
        Index(
            "uq_claims_one_live_a_slot",
            "vm_id",
            "slot",
            unique=True,
            postgresql_where=text("released_at IS NULL"),
        ),
        Index("ix_claims_claimed_at", "claimed_at"),
        CheckConstraint("slot BETWEEN 0 AND 7", name="slot_is_a_hostpci_number"),
        CheckConstraint("(released_at IS NULL) = (released_because IS NULL)", name="release_says_why"),
    )

    id: Mapped[SerialKey]
    gpu_id: Mapped[int]
    vm_id: Mapped[UUID]
    node_id: Mapped[str]
    gpu_type: Mapped[str]
    slot: Mapped[int]
    claimed_at: Mapped[Created]
    released_at: Mapped[Moment | None]
    released_because: Mapped[str | None]
