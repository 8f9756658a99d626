"""Creating alerts, in the transaction of the change that they announce. Workers find the recipients
later; a notice goes to one person.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models.db.approval_rules import NEEDS_SECOND_EDITOR, approval_reason, needs_second_editor
from models.db.clock import now
from models.db.tallies import add_to_tallies, fully_settled
from models.recipients.audience import get_or_create_recipient
from models.tables.ledger import (
    Alert,
    AlertKind,
    AlertState,
    Delivery,
    Fanout,
    Lane,
    Priority,
    Recipient,
    RecipientState,
    TallyKind,
)
from models.tables.people import Account, Role
from models.tables.stories import Entry, Importance, Revision, RevisionKind, StreamState


def create_alert(tx: Session, revision: Revision, entry: Entry) -> None:
    """Create the alert of a revision, if it alerts and its stream is not hidden.

    The alert may have to wait for approval. A retraction drops alerts of its entry that still do.
    """
    if revision.kind is RevisionKind.RETRACTION:
        drop_unapproved_alerts(tx, entry)
    if not revision.alerts or entry.stream.state is StreamState.HIDDEN:
        return
    alert = Alert(
        kind=AlertKind.REVISION,
        revision=revision,
        seq=entry.stream.seq,
        public_seq=entry.stream.seq,
        priority=(
            Priority.IMMEDIATE if entry.importance is Importance.BREAKING else Priority.NORMAL
        ),
        created_at=now(tx),
        waits_for=approval_reason(tx, revision, entry),
    )
    tx.add_all([alert, *(Fanout(alert=alert, lane=lane) for lane in Lane)])


def drop_unapproved_alerts(tx: Session, entry: Entry) -> None:
    """Stop the alerts of an entry that wait for approval."""
    of_entry = select(Revision.id).where(Revision.entry_id == entry.id)
    waits = (
        Alert.revision_id.in_(of_entry),
        Alert.state == AlertState.WAITING_FOR_APPROVAL,
    )
    tx.execute(update(Alert).where(*waits).values(stopped_at=now(tx)))


def reset_approval(tx: Session, entry: Entry) -> None:
    """Make alerts of a changed entry that are not fully sent wait for a second editor, where it is
    breaking now.

    Alerts tell the entry as it stands, and whoever approved them saw another text. A stopped alert
    may be resumed.
    """
    if not needs_second_editor(tx, entry.importance):
        return
    of_entry = (
        select(Alert)
        .join(Revision, Revision.id == Alert.revision_id)
        .where(Revision.entry_id == entry.id)
    )
    alerts = tx.scalars(of_entry.where(Alert.compacted_at.is_(None))).all()
    undone = set(
        tx.scalars(
            select(Fanout.alert_id).where(
                Fanout.alert_id.in_([alert.id for alert in alerts]), Fanout.done_at.is_(None)
            )
        )
    )
    settled = fully_settled(tx, [alert.id for alert in alerts])
    for alert in alerts:
        if alert.state is AlertState.STOPPED or alert.id in undone or alert.id not in settled:
            alert.waits_for = NEEDS_SECOND_EDITOR


def create_notice(
    tx: Session,
    recipient: Recipient,
    name: str,
    values: Mapping[str, Any],
    *,
    priority: Priority = Priority.IMMEDIATE,
) -> Alert:
    """Create a notice to one recipient: a question, or an operator's warning.

    ``name`` is a folder of `notifier/templates/mail/notice`, ``values`` are the values of its
    template, stored as JSON. A notice needs no subscription or confirmation; only a suppressed
    address gets none.
    """
    alert = Alert(
        kind=AlertKind.NOTICE,
        notice={"name": name, "values": dict(values)},
        priority=priority,
        created_at=now(tx),
    )
    tx.add(alert)
    tx.flush()
    delivery = Delivery(
        uid=secrets.token_hex(16),
        alert_id=alert.id,
        recipient_id=recipient.id,
        lane=Lane.FAST,
        priority=priority,
        created_at=now(tx),
        due_at=now(tx),
    )
    tx.add(delivery)
    tx.flush()
    add_to_tallies(tx, {(alert.id, Lane.FAST, TallyKind.OWED): 1})
    return alert


def clear_notice_values(alert: Alert) -> None:
    """Delete the values of a notice that has ended: they are about one person."""
    if alert.notice is not None:
        alert.notice = {"name": alert.notice["name"], "values": {}}


def tell_operators(
    tx: Session, name: str, values: Mapping[str, Any], *, priority: Priority = Priority.IMMEDIATE
) -> None:
    """Create a notice to every admin with an address."""
    admins = select(Account).where(
        Account.role == Role.ADMIN, Account.ended_at.is_(None), Account.email.is_not(None)
    )
    for admin in tx.scalars(admins.order_by(Account.id)).all():
        tell_account(tx, admin, name, values, priority=priority)


def tell_account(
    tx: Session,
    account: Account,
    name: str,
    values: Mapping[str, Any],
    *,
    priority: Priority = Priority.IMMEDIATE,
) -> bool:
    """Create a notice to an account, which does not make it a subscriber; False where it has no
    address, or a suppressed one.
    """
    if account.email is None:
        return False
    recipient = get_or_create_recipient(tx, account.email)
    if recipient.state is RecipientState.SUPPRESSED:
        return False
    create_notice(tx, recipient, name, values, priority=priority)
    return True
