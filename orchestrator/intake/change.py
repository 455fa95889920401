"""What an owner may change of a VM without an operation: its label, and whether it comes back by itself."""

import json
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator

from orchestrator.errors import InvalidRequest, StateConflict
from orchestrator.intake.asking import own
from orchestrator.store.database import Database
from orchestrator.vms import events
from orchestrator.vms.statuses import ENDED

MAX_LABEL = 100


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("may not contain control characters or line breaks")
    return text


Label = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_LABEL),
    AfterValidator(_printable),
]


class VmChange(BaseModel):
    """The fields to change; what is left out stays. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    instance_label: Label | None = Field(None, description="one line; null clears it")
    auto_restart: bool | None = Field(
        None, description="come back after an interruption; for interruptible VMs, and only there"
    )

    @field_validator("auto_restart")
    @classmethod
    def _is_one_of_two(cls, value: bool | None) -> bool | None:
        if value is None:
            raise ValueError("must be true or false")
        return value


def change(database: Database, user_id: int, vm_id: UUID, wanted: VmChange) -> None:
    """Change what is given.

    Raises NotFound, Unauthenticated, StateConflict for a VM that has ended, InvalidRequest for an
    `auto_restart` of a VM that is never interrupted.
    """
    with database.transaction() as tx:
        vm = own(tx, user_id, vm_id)
        if vm.status in ENDED:
            raise StateConflict(f"VM {vm.id} is {vm.status}: it is not changed any more.")
        if wanted.auto_restart is not None and vm.rental_type != "interruptible":
            raise InvalidRequest(
                f"This VM is {vm.rental_type} and never interrupted; leave auto_restart out.",
                field="auto_restart",
            )
        for name in sorted(wanted.model_fields_set):
            value = getattr(wanted, name)
            if value != getattr(vm, name):
                setattr(vm, name, value)
                text = f"{name} is now {json.dumps(value, ensure_ascii=False)}"
                events.record(tx, vm.id, text, actor=f"user:{user_id}")
