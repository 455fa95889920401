"""Users and their credentials."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from orchestrator.store.base import Base, Created, Moment, Money, UuidKey

SSH_KEYS_PER_ACCOUNT = 5
SCOPES = ("read_write", "read_only", "billing_only")


class User(Base):
    """An account. `subject` is the `sub` claim of its JWTs."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("max_vms >= 0", name="max_vms_is_not_negative"),
        CheckConstraint("max_hourly_spend >= 0", name="max_hourly_spend_is_not_negative"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    subject: Mapped[str] = mapped_column(unique=True)
    max_vms: Mapped[int]
    max_hourly_spend: Mapped[Decimal] = mapped_column(Money)
    created_at: Mapped[Created]
    disabled_at: Mapped[Moment | None]


class SshKey(Base):
    """A public key. Five slots an account: the sixth key has no place to be stored."""

    __tablename__ = "ssh_keys"
    __table_args__ = (
        UniqueConstraint("user_id", "slot"),
        UniqueConstraint("user_id", "fingerprint"),
        CheckConstraint(f"slot BETWEEN 1 AND {SSH_KEYS_PER_ACCOUNT}", name="five_keys_an_account"),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    slot: Mapped[int]
    label: Mapped[str] = mapped_column(String(100))
    key_type: Mapped[str]
    public_key: Mapped[str]
    fingerprint: Mapped[str]
    created_at: Mapped[Created]


class ApiKey(Base):
    """An API key by its SHA-256 digest; the key itself is shown once and not kept."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 32", name="digest_is_sha256"),
        CheckConstraint("cardinality(scopes) > 0", name="some_scope"),
        CheckConstraint(
            "scopes <@ ARRAY[" + ", ".join(f"'{s}'" for s in SCOPES) + "]::varchar[]", name="scopes_are_known"
        ),
    )

    id: Mapped[UuidKey]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String))
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[Created]
    last_used_at: Mapped[Moment | None]
    expires_at: Mapped[Moment | None]
    revoked_at: Mapped[Moment | None]


class IdempotencyKey(Base):
    """A client's name for one POST /vms: the same key gives the same VM for 24 h."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (CheckConstraint("octet_length(body_digest) = 32", name="digest_is_sha256"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body_digest: Mapped[bytes] = mapped_column(LargeBinary)
    """Of the body without the password, which is compared by its crypt hash."""
    vm_id: Mapped[UUID] = mapped_column(ForeignKey("vms.id"))
    created_at: Mapped[Created]
