"""The request for a VM, with every rule that needs no database (product page, "POST /vms")."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

MIN_PASSWORD = 12
MAX_PASSWORD = 256
MAX_STORAGE_GB = 65_536


class RentalType(StrEnum):
    """How a VM is rented."""

    ON_DEMAND = "on_demand"
    RESERVED = "reserved"
    INTERRUPTIBLE = "interruptible"


class AuthMethod(StrEnum):
    """How its owner logs in."""

    SSH_KEY = "ssh_key"
    PASSWORD = "password"  # noqa: S105 (the name of a method)


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


def _whole_number(value: object) -> object:
    if isinstance(value, bool | float):
        raise ValueError("must be a whole number")  # noqa: TRY004 (pydantic reports ValueError)
    return value


GpuCount = Annotated[Literal[1, 2, 4, 8], BeforeValidator(_whole_number)]
Months = Annotated[Literal[1, 3, 6], BeforeValidator(_whole_number)]


class VmRequest(BaseModel):
    """A request for a VM. Unknown fields are refused, so that a typo cannot rent the wrong thing."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    node: Name = Field(description="node ID, for example vm01")
    gpu_type: Name = Field(description="GPU type of the catalog, for example 5090")
    gpu_count: GpuCount = Field(description="1, 2, 4 or 8")
    storage_gb: int = Field(ge=50, le=MAX_STORAGE_GB, description="size of the disk in GB, at least 50")
    template_vmid: int = Field(ge=1, le=999_999_999, description="template VM to clone")
    rental_type: RentalType = Field(RentalType.ON_DEMAND, strict=False)
    reservation_months: Months | None = Field(
        None, description="1, 3 or 6; required for reserved, and only allowed there", validate_default=True
    )
    auth_method: AuthMethod = Field(AuthMethod.SSH_KEY, strict=False)
    ssh_key_id: str | None = Field(None, max_length=64, description="default: the account's oldest key")
    password: SecretStr | None = Field(
        None,
        min_length=MIN_PASSWORD,
        max_length=MAX_PASSWORD,
        description="required for auth_method password, and only allowed there",
        validate_default=True,
    )

    @field_validator("reservation_months")
    @classmethod
    def _term_goes_with_reserved(cls, months: int | None, info: ValidationInfo) -> int | None:
        reserved = info.data.get("rental_type") is RentalType.RESERVED
        if reserved and months is None:
            raise ValueError("is required for rental_type reserved: 1, 3 or 6")
        if months is not None and not reserved:
            raise ValueError("is only allowed for rental_type reserved")
        return months

    @field_validator("ssh_key_id")
    @classmethod
    def _key_goes_with_ssh(cls, key: str | None, info: ValidationInfo) -> str | None:
        if key is not None and info.data.get("auth_method") is AuthMethod.PASSWORD:
            raise ValueError("is only allowed for auth_method ssh_key")
        return key

    @field_validator("password")
    @classmethod
    def _password_goes_with_its_method(
        cls, password: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        wanted = info.data.get("auth_method") is AuthMethod.PASSWORD
        if wanted and password is None:
            raise ValueError("is required for auth_method password")
        if password is not None and not wanted:
            raise ValueError("is only allowed for auth_method password")
        if password is not None and not password.get_secret_value().isprintable():
            raise ValueError("may not contain control characters or line breaks")
        return password
