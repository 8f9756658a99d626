"""A story's last word: owed to who follows it when it ends; workers find out who that is."""

from sqlalchemy.orm import Session

from models.db.clock import now
from models.tables.ledger import Alert, AlertKind, Fanout, Lane, Priority
from models.tables.stories import Stream


def create_ending_alert(tx: Session, stream: Stream) -> None:
    """Owe the followers of a stream the word that it has ended; its counter must have moved for
    that already.

    May be owed again when it was opened meanwhile: who was told and heard of no entry since is not
    told twice.
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
