"""When a delivery may have arrived without an answer that says so."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "delivery", sa.Column("may_have_arrived_at", sa.DateTime(timezone=True), nullable=True)
    )
    # An unknown delivery may be sent again by an editor; that it may have arrived stays true.
    op.execute("UPDATE delivery SET may_have_arrived_at = settled_at WHERE state = 'unknown'")
