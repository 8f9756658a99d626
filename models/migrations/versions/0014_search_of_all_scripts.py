"""The search finds letters such as ł and ø by their plain ones, scripts without spaces, and the
numbers of lists.
"""

from alembic import op

from models.text.search_index import index_all_entries

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    index_all_entries(op.get_bind())
