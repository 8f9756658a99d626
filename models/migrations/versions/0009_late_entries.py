"""Late entries: scheduled for a time at which no worker ran, and held for an editor since."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("entry", sa.Column("held_at", sa.DateTime(timezone=True), nullable=True))
