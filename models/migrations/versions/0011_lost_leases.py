"""Lost leases: how often a delivery's worker ended before anything of it was sent."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "delivery",
        sa.Column("lost_leases", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
