"""The site knows its key."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("site", sa.Column("key_check", sa.String(length=64), nullable=True))
