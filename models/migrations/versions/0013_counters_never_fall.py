"""How many deliveries left a state again, so that counters of outcomes never fall."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    column = sa.Column("taken_back", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    op.add_column("tally", column)
