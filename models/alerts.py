"""Owing: an alert is made in the transaction that makes its cause public, and names nobody."""

from sqlalchemy.orm import Session

from models.clock import now
from models.ledger import Alert, AlertKind, Fanout, Lane
from models.stories import Importance, Revision

URGENT, NORMAL, DIGEST = 0, 1, 2  # priorities within a lane


def owe(tx: Session, revision: Revision, importance: Importance) -> Alert:
    """Owe everybody who follows the news of a revision; workers find out who that is."""
    alert = Alert(
        kind=AlertKind.REVISION,
        revision=revision,
        priority=URGENT if importance is Importance.BREAKING else NORMAL,
        created_at=now(tx),
    )
    tx.add_all([alert, *(Fanout(alert=alert, lane=lane) for lane in Lane)])
    return alert
