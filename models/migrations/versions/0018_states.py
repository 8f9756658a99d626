"""States in columns of their own: of alerts, of ended recipients, of held and stopped deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ALERT_STATE = (
    "CASE"
    " WHEN folded_at IS NOT NULL THEN 'compacted'"
    " WHEN stopped_at IS NOT NULL THEN 'stopped'"
    " WHEN waits_for IS NOT NULL THEN 'waiting_for_approval'"
    " WHEN held_at IS NOT NULL THEN 'held'"
    " WHEN finished_at IS NOT NULL THEN 'finished'"
    " ELSE 'sending' END"
)
_DUE = sa.text("state = 'queued' AND held_at IS NULL")
_INDEX = "ix_delivery_lane_priority_due_at_id"
_MOMENT = sa.DateTime(timezone=True)
# Until now a date in the year 9000 stood for "until somebody lets it go".
_NEVER = "'9000-01-01'"


def upgrade() -> None:
    """Apply.  No state gets a value that a node of the version before cannot read while it sends."""
    embedded = op.get_bind().dialect.name == "sqlite"
    # SQLite can add no stored column, PostgreSQL before 18 has no virtual ones.
    state = sa.Computed(_ALERT_STATE, persisted=not embedded)
    op.add_column("alert", sa.Column("state", sa.String(24), state, nullable=False))

    op.add_column("recipient", sa.Column("end_reason", sa.String(16), nullable=True))
    op.execute("""
        UPDATE recipient SET
            end_reason = CASE reason
                WHEN 'erased' THEN 'erased'
                WHEN 'no subscriber: told nothing but notices' THEN 'contact_only'
                ELSE 'left'
            END
        WHERE state = 'ended'
    """)

    op.add_column("delivery", sa.Column("held_at", _MOMENT, nullable=True))
    op.execute(f"""
        UPDATE delivery SET held_at = created_at, due_at = created_at
        WHERE state = 'queued' AND due_at >= {_NEVER}
    """)  # noqa: S608  fixed words
    op.execute("""
        UPDATE delivery SET reason = 'stopped', last_reply = NULL
        WHERE state = 'skipped' AND reason = 'cancelled' AND last_reply = 'The alert was stopped.'
    """)
    op.drop_index(_INDEX, "delivery")
    op.create_index(
        _INDEX,
        "delivery",
        ["lane", "priority", "due_at", "id"],
        sqlite_where=_DUE,
        postgresql_where=_DUE,
    )

    with op.batch_alter_table("pause") as pause:
        pause.alter_column("until", existing_type=_MOMENT, nullable=True)
    op.execute(f"UPDATE pause SET until = NULL WHERE until >= {_NEVER}")  # noqa: S608  fixed words
