"""What every table shares: naming of constraints, UTC times by the database's clock, text enumerations."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, MetaData, Numeric, Uuid, func, text
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Declarative base of all tables."""

    metadata = MetaData(naming_convention=NAMING)


UuidKey = Annotated[UUID, mapped_column(Uuid, primary_key=True, server_default=text("gen_random_uuid()"))]
SerialKey = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]
Created = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Money = Numeric(14, 6)


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """CHECK that `column` holds one of `values` (or is null, where the column allows it)."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_is_known")
