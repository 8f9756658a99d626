"""Ids of deleted recipients and subscriptions are given to nobody again on SQLite: an earlier
migration had dropped that.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    if op.get_bind().dialect.name != "sqlite":
        return
    for name in ("recipient", "subscription"):
        never_reused = {"sqlite_autoincrement": True}
        with op.batch_alter_table(name, recreate="always", table_kwargs=never_reused):
            pass
