"""The order of subscriptions and alerts by the site's counter, which no clock puts back."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("subscription", sa.Column("started_seq", sa.BigInteger(), nullable=True))
    op.add_column("alert", sa.Column("public_seq", sa.BigInteger(), nullable=True))
