"""The index of pinned entries has their order, so that no other one fits as well."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    pinned = sa.text("pinned_at IS NOT NULL")
    op.drop_index("ix_entry_pinned", table_name="entry")
    op.create_index(
        "ix_entry_pinned",
        "entry",
        ["stream_id", "pinned_at"],
        sqlite_where=pinned,
        postgresql_where=pinned,
    )
