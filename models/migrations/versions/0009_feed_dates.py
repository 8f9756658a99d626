"""Dates of feeds that never go back: entries that were no news, and when an entry last left a feed."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_OUT = sa.text("state = 'published'")
# Only those that bear a date of more than a day before; whether the others alerted nobody matters
# to no feed any more.
_OLDER = {
    "sqlite": "julianday(revision.applied_at) - julianday(entry.published_at) > 1",
    "postgresql": "revision.applied_at - entry.published_at > interval '1 day'",
}


def upgrade() -> None:
    """Apply.  Columns are added in place: a table made anew on SQLite would lose what refers to it."""
    op.create_table(
        "feed_departure",
        sa.Column("feed", sa.String(length=120), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("feed", name=op.f("pk_feed_departure")),
    )
    op.add_column(
        "entry",
        sa.Column("backdated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.create_index(
        "ix_entry_dated", "entry", ["published_at"], sqlite_where=_OUT, postgresql_where=_OUT
    )
    older = _OLDER[op.get_bind().dialect.name]
    first = f"SELECT revision.entry_id FROM revision JOIN entry ON entry.id = revision.entry_id WHERE revision.no = 1 AND {older}"  # noqa: S608
    op.execute(f"UPDATE entry SET backdated = true WHERE id IN ({first})")  # noqa: S608
