"""Which dialect a database speaks, and INSERT ... ON CONFLICT, for which SQLAlchemy has a statement
of each.
"""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session


def insert_into(dialect: str, table: Any) -> sqlite.Insert | postgresql.Insert:
    """An INSERT of that dialect, from `dialect_of`, into a table or a model's."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def dialect_of(tx: Session) -> str:
    """The name of the dialect of the database that ``tx`` is on: sqlite or postgresql."""
    return tx.get_bind().dialect.name
