"""Failing channels: since when no message got through, whatever went wrong."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "recipient", sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True)
    )
    op.execute("UPDATE recipient SET failing_since = sick_since WHERE sick_since IS NOT NULL")
