"""Shared by every table: names of constraints, UTC times, enums as their values, wide keys, random
uids.
"""

import enum
import secrets
from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Enum, Integer, MetaData, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """Time that is aware in Python and UTC in the database. A naive value raises ValueError."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def enum_type(kind: type[enum.Enum], *, length: int) -> Enum:
    """Type of a column that stores the values of ``kind``."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=length,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it from the class
        datetime: UtcDateTime(),
        enum.Enum: enum_type(enum.Enum, length=16),
        dict[str, Any]: JSON,
    }


BigId = Annotated[
    int, mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
]
Uid = Annotated[str, mapped_column(String(32), unique=True)]

# no vowels, so no words; nothing that reads like another
_ALPHABET = "23456789bcdfghjkmnpqrstvwxyz"


def new_uid(length: int = 7) -> str:
    """A random name of a thing, short enough to be read aloud; 28**7 is 1.3e10."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


class random_uid(FunctionElement[str]):
    """32 random hexadecimal digits, made by the database for each row of an INSERT ... SELECT."""

    type = String()
    inherit_cache = True


@compiles(random_uid, "sqlite")
def _random_uid_sqlite(element: random_uid, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ARG001
    return "lower(hex(randomblob(16)))"


@compiles(random_uid, "postgresql")
def _random_uid_postgresql(element: random_uid, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ARG001
    return "replace(CAST(gen_random_uuid() AS text), '-', '')"
