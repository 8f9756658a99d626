"""Notices to operators about alerts that cannot be prepared: one for each alert, however many
recipients it has.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from models import Alert, AlertKind, Delivery, Entry, Revision, Stream
from models.alerts.alerts import tell_operators
from notifier.ledger.ledger_sql import IN_TROUBLE

NOTICE = "alert-failed"


def tell_operators_once(tx: Session, alert_id: int, delivery_id: int, words: str) -> None:
    """Notify the operators that ``delivery_id``, settled in this transaction, failed by ``words``.

    No notice where another delivery of the alert failed in this way before, or where the alert is a
    notice itself: one that cannot be rendered must not cause the next.
    """
    query = select(Alert, Entry.title, Stream.title)
    query = query.outerjoin(Revision, Revision.id == Alert.revision_id).outerjoin(
        Entry, Entry.id == Revision.entry_id
    )
    query = query.outerjoin(Stream, Stream.id == Alert.stream_id).where(Alert.id == alert_id)
    alert, title, ended_stream = tx.execute(query.with_for_update(of=Alert)).one()
    alike = select(Delivery.id).where(
        Delivery.alert_id == alert_id, IN_TROUBLE, Delivery.last_reply == words
    )
    if (
        alert.kind is AlertKind.NOTICE
        or tx.scalar(alike.where(Delivery.id != delivery_id).limit(1)) is not None
    ):
        return
    name = title or ended_stream or alert.kind.value
    tell_operators(tx, NOTICE, {"alert": alert_id, "title": name, "words": words})
