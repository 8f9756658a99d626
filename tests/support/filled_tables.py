"""Rows for every table of a database of any schema revision."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Connection, MetaData, Table, inspect
from sqlalchemy.types import TypeEngine

from models.tables.base import Base
from models.text.search_index import SEARCH_TABLES as SEARCH_TABLES

ROWS_PER_TABLE = 3
_LEFT_OUT = {*SEARCH_TABLES, "alembic_version"}

Rows = dict[str, list[dict[str, Any]]]


def reflect(connection: Connection) -> MetaData:
    """All tables but those of the search, which are virtual tables on SQLite."""
    metadata = MetaData()
    metadata.reflect(connection, only=lambda name, _: name not in _LEFT_OUT)
    return metadata


def fill_every_table(connection: Connection) -> None:
    """Insert ROWS_PER_TABLE rows into each table, with a value in every column."""
    for table in reflect(connection).sorted_tables:
        allowed = _allowed_values(connection, table)
        for number in range(1, ROWS_PER_TABLE + 1):
            row = {
                column.name: _value(column, number, allowed)
                for column in table.columns
                if column.computed is None
            }
            connection.execute(table.insert().values(row))


def rows_of(connection: Connection) -> Rows:
    """All rows as the driver gives them, by name of the table."""
    names = set(inspect(connection).get_table_names()) - _LEFT_OUT
    found = {
        name: connection.exec_driver_sql(f'SELECT * FROM "{name}"').mappings() for name in names
    }
    return {name: sorted(map(dict, rows), key=repr) for name, rows in found.items()}


def _allowed_values(connection: Connection, table: Table) -> dict[str, list[str]]:
    """The values that check constraints and enums of the models allow, by name of the column."""
    allowed: dict[str, list[str]] = {}
    modelled = Base.metadata.tables.get(table.name)
    for column in modelled.columns if modelled is not None else ():
        if isinstance(column.type, sa.Enum):
            allowed[column.name] = list(column.type.enums)
    for check in inspect(connection).get_check_constraints(table.name):
        literals = re.findall(r"'([^']*)'", check["sqltext"])
        for column in table.columns:
            if literals and re.search(rf"\b{column.name}\b", check["sqltext"]):
                allowed[column.name] = literals
    return allowed


def _value(column: Column[Any], number: int, allowed: Mapping[str, list[str]]) -> object:
    if column.foreign_keys or isinstance(column.type, sa.Integer):
        # Keys of every table count from 1, so the row of that number refers to its like.
        return number if column.foreign_keys or column.primary_key else number + 10
    if values := allowed.get(column.name):
        return values[number % len(values)]
    return _plain_value(column.type, f"{column.table.name} {column.name}", number)


def _plain_value(kind: TypeEngine[Any], name: str, number: int) -> object:
    moment = datetime(2026, 3, 14, 8, 0, tzinfo=UTC) + timedelta(hours=number)
    if isinstance(kind, sa.Boolean):
        return number % 2 == 0
    if isinstance(kind, sa.DateTime):
        return moment if kind.timezone else moment.replace(tzinfo=None)
    if isinstance(kind, sa.Date):
        return date(2026, 3, number)
    if isinstance(kind, sa.Time):
        return time(number)
    if isinstance(kind, sa.JSON):
        return {name: number}
    if isinstance(kind, sa.LargeBinary):
        return bytes([number])
    if isinstance(kind, sa.Numeric):
        return number
    assert isinstance(kind, sa.String), f"{name} has a type that no value is known for: {kind!r}"
    return f"{number} {name}"[: kind.length]
