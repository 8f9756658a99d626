"""Run by Alembic: migrates over the connection that `models.db.migrate` hands in, or writes a new
migration.
"""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import create_engine

import models  # noqa: F401  registers the tables
from models.tables.base import Base, UtcDateTime


def _plain_type(kind: str, item: object, _: AutogenContext) -> str | Literal[False]:
    """A migration must not change its meaning when our own types do, so it names SQLAlchemy's
    alone.
    """
    return (
        "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False
    )


connection = context.config.attributes.get("connection")
if connection is None:  # `make migration` compares against a database of its own
    connection = create_engine(
        context.config.get_main_option("sqlalchemy.url", "sqlite://")
    ).connect()
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    render_item=_plain_type,
    transaction_per_migration=connection.dialect.name == "postgresql",
)
with context.begin_transaction():
    context.run_migrations()
