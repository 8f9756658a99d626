"""Owing: an alert is made in the transaction that makes its cause public, and names nobody."""

from sqlalchemy.orm import Session

from models.clock import now
from models.ledger import Alert, AlertKind, Fanout, Lane
from models.stories import Entry, Importance, Revision, StreamState

URGENT, NORMAL, DIGEST = 0, 1, 2  # priorities within a lane


def owe(tx: Session, revision: Revision, entry: Entry) -> None:
    """Owe everybody who follows the news of a revision, if it alerts and its stream is not hidden; workers find out who that is."""
    if not revision.alerts or entry.stream.state is StreamState.HIDDEN:
        return
    alert = Alert(
        kind=AlertKind.REVISION,
        revision=revision,
        priority=URGENT if entry.importance is Importance.BREAKING else NORMAL,
        created_at=now(tx),
    )
    tx.add_all([alert, *(Fanout(alert=alert, lane=lane) for lane in Lane)])
