"""The SQL statements that a block of code executes."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from models.db.database import Database


@contextmanager
def recorded_statements(db: Database) -> Iterator[list[tuple[str, object]]]:
    """Each statement that is executed inside, with its values."""
    statements: list[tuple[str, object]] = []

    def record(connection, cursor, statement: str, values: object, context, many) -> None:
        statements.append((statement, values))

    event.listen(db.engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(db.engine, "before_cursor_execute", record)
