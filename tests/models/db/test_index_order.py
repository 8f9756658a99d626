"""SQLite uses each partial index where it fits, in whatever order migrations made the indexes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Index, create_engine, text

from models.db.index_order import order_indexes
from models.tables.base import Base


def partial_indexes() -> list[Index]:
    """But for that which keeps a pair from being there twice: it is only looked at by the database
    itself.
    """
    found = [index for table in Base.metadata.sorted_tables for index in table.indexes]
    return sorted(
        (one for one in found if where(one) is not None and one.name != "uq_subscription_all"),
        key=lambda one: str(one.name),
    )


def where(index: Index) -> object:
    return index.dialect_options["sqlite"]["where"]


@pytest.fixture
def connection(sqlite_template: Path) -> Iterator[Connection]:
    """A migrated database that nothing is written to."""
    engine = create_engine(f"sqlite:///{sqlite_template}")
    with engine.connect() as connection:
        yield connection
        connection.rollback()
    engine.dispose()


def plan(connection: Connection, index: Index, *more: str) -> str:
    """How SQLite finds the first rows in the order of the index, under ``more`` conditions."""
    *equal, last = [column.name for column in index.columns]
    conditions = " AND ".join([str(where(index)), *(f"{name} = ?" for name in equal), *more])
    query = (
        f"EXPLAIN QUERY PLAN SELECT * FROM {index.table.name} WHERE {conditions} ORDER BY {last}"
        " LIMIT 5"
    )
    return " ".join(row[3] for row in connection.exec_driver_sql(query, ("1",) * len(equal)))


@pytest.mark.parametrize("index", partial_indexes(), ids=lambda one: one.name)
def test_a_partial_index_serves_what_it_was_made_for(connection: Connection, index: Index) -> None:
    assert f"INDEX {index.name}" in plan(connection, index)


@pytest.mark.parametrize(
    "name", ["ix_entry_noticed", "ix_entry_noticed_of", "ix_entry_pinned", "ix_entry_raised"]
)
def test_it_serves_beside_the_condition_of_another(connection: Connection, name: str) -> None:
    index = next(index for index in partial_indexes() if index.name == name)
    assert f"INDEX {name} " in plan(connection, index, "state = 'published'") + " "


def test_the_index_order_of_earlier_migrations_is_repaired(connection: Connection) -> None:
    raised = next(index for index in partial_indexes() if index.name == "ix_entry_raised")
    whole = connection.scalar(
        text("SELECT sql FROM sqlite_master WHERE name = 'ix_entry_stream_id_seq'")
    )
    connection.exec_driver_sql("DROP INDEX ix_entry_stream_id_seq")
    connection.exec_driver_sql(whole)
    assert "ix_entry_raised" not in plan(connection, raised), (
        "SQLite takes the last of two that fit alike"
    )
    order_indexes(connection)
    assert "ix_entry_raised" in plan(connection, raised)
    before = connection.execute(text("SELECT rowid, name FROM sqlite_master")).all()
    order_indexes(connection)
    assert connection.execute(text("SELECT rowid, name FROM sqlite_master")).all() == before, (
        "nothing is made again that is in order"
    )
