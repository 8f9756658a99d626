"""The alert that a stream has ended; workers look up its followers."""

from sqlalchemy.orm import Session

from models.db.clock import now
from models.tables.ledger import Alert, AlertKind, Fanout, Lane, Priority
from models.tables.stories import Stream


def create_ending_alert(tx: Session, stream: Stream) -> None:
    """Create the alert that a stream has ended; its counter must have moved already.

    A stream that was re-opened may end again: recipients of the first alert who got no entry since
    are left out.
    """
    alert = Alert(
        kind=AlertKind.ENDING,
        stream_id=stream.id,
        seq=stream.seq,
        public_seq=stream.seq,
        priority=Priority.NORMAL,
        created_at=now(tx),
    )
    tx.add_all([alert, *(Fanout(alert=alert, lane=lane) for lane in Lane)])
