"""SSH keys and API keys."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from orchestrator.accounts.api_keys import DEFAULT_NAME, NewKey
from orchestrator.accounts.models import ApiKey
from orchestrator.accounts.public_keys import MAX_TEXT
from orchestrator.accounts.ssh_keys import DEFAULT_LABEL
from orchestrator.api.views.base import Body, Text100, Utc, View

Scope = Literal["read_write", "read_only", "billing_only"]


class SshKeyBody(Body):
    """A public key to keep."""

    ssh_public_key: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT)] = Field(
        description="the line of the .pub file: ed25519, RSA of 2048 bits or more, or ECDSA P-256",
        examples=[
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2z9y0gUuq0nBkSfs1QkCkTdUFdDjrCmUaVqyZt3p0T me@laptop"
        ],
    )
    label: Text100 = DEFAULT_LABEL


class SshKeyView(View):
    """A public key, without its text."""

    id: UUID
    label: str
    key_type: str
    fingerprint: str
    created_at: Utc


class ApiKeyBody(Body):
    """An API key to make."""

    name: Text100 = DEFAULT_NAME
    scopes: list[Scope] = Field(default=["read_write"], min_length=1, max_length=3)
    expires_in_days: int | None = Field(None, ge=1, le=3650, description="never, unless given")


class NewApiKeyView(View):
    """A new API key: the only answer that ever contains it."""

    api_key: str = Field(examples=["nv_live_…"])
    created_at: Utc
    message: str
    id: UUID
    name: str
    scopes: list[Scope]
    expires_at: Utc | None

    @classmethod
    def of(cls, new: NewKey) -> "NewApiKeyView":
        return cls.model_validate(
            {
                "api_key": new.text,
                "message": "Keep this key now: it is not shown again.",
                **{
                    name: getattr(new.row, name)
                    for name in ("id", "name", "scopes", "created_at", "expires_at")
                },
            }
        )


class ApiKeyView(View):
    """An API key, without its text."""

    id: UUID
    name: str
    scopes: list[Scope]
    created_at: Utc
    last_used_at: Utc | None = Field(description="to the minute")
    expires_at: Utc | None
    is_revoked: bool

    @classmethod
    def of(cls, key: ApiKey) -> "ApiKeyView":
        return cls.model_validate(
            {
                "is_revoked": key.revoked_at is not None,
                **{name: getattr(key, name) for name in cls.model_fields if name != "is_revoked"},
            }
        )
