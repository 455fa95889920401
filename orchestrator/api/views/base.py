"""What all views share."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

Utc = Annotated[datetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
"""A time that is written in UTC, with `Z`."""

Text100 = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""A label: one line without control characters."""


class View(BaseModel):
    """An answer. Nulls are explicit; nothing is added that is not declared."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


class Body(BaseModel):
    """A request body. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
