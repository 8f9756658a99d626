"""Late entries: scheduled for a time at which no worker ran, and held for an editor since."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("entry", sa.Column("held_at", sa.DateTime(timezone=True), nullable=True))
