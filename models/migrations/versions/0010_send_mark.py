"""The send mark, which a restored copy of the database is behind."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "send_mark",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=True),
        sa.Column("timeline", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_send_mark")),
    )
