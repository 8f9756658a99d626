"""Refusals of a recipient's address: when they end it, and when they are doubted."""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, exists, func, select, update
from sqlalchemy.orm import Session

from models import (
    Alert,
    Delivery,
    DeliveryState,
    EndReason,
    Priority,
    Recipient,
    RecipientState,
    Subscription,
    TallyKind,
)
from models.alerts.alerts import tell_operators
from models.alerts.send_hold import hold
from models.db.clock import now
from models.db.tallies import add_to_tallies, tally_totals
from models.recipients.preferences import LEFT
from models.tables.stories import Site
from notifier.ledger.claim import Message
from notifier.ledger.ledger_sql import among, changed
from notifier.message.send_errors import Refused, SendError, Sent

log = logging.getLogger(__name__)

MAILBOX_DISABLED = "5.2.1"
DISABLED_TIMES = 3
DISABLED_DAYS = 7
"""Alerts in a row that a disabled mailbox refused, and days since the first, after which it ends.

RFC 3463 section 3.3: it may be enabled again, or never.
"""
ALIKE_ADDRESSES = 3
ALIKE_DOMAINS = 2
"""Addresses of one alert, and domains, that are refused with the same words before that is doubted.
"""
ALIKE_RUNNING = 20
"""Of so many, the latest, it is also asked what else was answered meanwhile: a server may break
down in the middle of an alert."""
DOUBTED_SHARE = 10
"""One in so many of an alert's answers: senders of bulk mail are stopped at 10 % of hard bounces.
"""
NOTICE = "held"
_LOOKED_AT = 200
"""Addresses that an alert ended, the latest: sending is held long before there are more, unless
they are few among many."""


def disabled_for_long(tx: Session, message: Message, outcome: Sent | SendError) -> bool:
    """Whether ``outcome`` is one of several running, over days, that call the mailbox disabled."""
    if not isinstance(outcome, Refused) or outcome.stage != "rcpt":
        return False
    if outcome.enhanced != MAILBOX_DISABLED:
        return False
    reply = func.coalesce(Delivery.last_reply, "")
    disabled = and_(Delivery.state == DeliveryState.FAILED, reply.like(f"5__ {MAILBOX_DISABLED} %"))
    ended = (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.UNKNOWN)
    settled = and_(Delivery.recipient_id == message.recipient_id, Delivery.state.in_(ended))
    last_other = select(func.coalesce(func.max(Delivery.id), 0)).where(settled, ~disabled)
    run = select(func.count(), func.min(Delivery.settled_at)).where(
        settled, disabled, Delivery.id > last_other.scalar_subquery()
    )
    times, first_at = tx.execute(run).one()
    long_ago = first_at is not None and now(tx) - first_at >= timedelta(days=DISABLED_DAYS)
    return times + 1 >= DISABLED_TIMES and long_ago


def refusals_are_doubted(tx: Session) -> bool:
    """Whether no refusal ends an address at present: operators are to look first, and their own
    addresses may be refused, too.
    """
    return tx.scalars(select(Site.held_reason)).one() is not None


def hold_instead(tx: Session, message: Message, reply: str) -> bool:
    """Whether ``reply``, which would end an address, is doubted; all sending is held then, and
    operators are told.

    A mail server that says of several addresses of several domains that they do not exist is
    likely misconfigured.  Those that it ended in this alert are subscribed again, and their mails
    wait.  Once an operator has let the alert go on, what the server says is believed.
    """
    # Locked, since addresses that another worker ends at the same time are to be restored, too.
    alert = tx.get_one(Alert, message.alert_id, with_for_update=True)
    if alert.resumed_at is not None:
        return False
    if refusals_are_doubted(tx):
        return True
    ended = _ended_alike(tx, message, reply)
    domains = {address.rpartition("@")[2] for address in [message.address, *ended.values()]}
    number = 1 + len(ended)
    if number < ALIKE_ADDRESSES or len(domains) < ALIKE_DOMAINS:
        return False
    sent = tally_totals(tx, [message.alert_id]).get(message.alert_id, {}).get(TallyKind.SENT, 0)
    if _is_small_share(number, sent) and not _breaks_down(tx, message, ended):
        return False
    _take_back(tx, message.alert_id, list(ended))
    refusal = f"refuses {number} addresses of {len(domains)} domains with the same words"
    hold(
        tx,
        f"The mail server {refusal} ({reply[:100]}). Nobody was unsubscribed. Check the mail"
        " server, then resume.",
    )
    tell_operators(
        tx,
        NOTICE,
        {"number": number, "domains": len(domains), "words": reply},
        priority=Priority.HOLD_NOTICE,
    )
    log.warning("sending is held until `storywire resume`: the mail server %s", refusal)
    return True


def _ended_alike(tx: Session, message: Message, reply: str) -> dict[int, str]:
    """Deliveries of the same alert that ended their recipients by the same words, and the
    addresses.
    """
    query = (
        select(Delivery.id, Delivery.last_reply, Recipient.address)
        .join(Recipient, Recipient.id == Delivery.recipient_id)
        .where(
            Delivery.alert_id == message.alert_id,
            Delivery.state == DeliveryState.FAILED,
            Recipient.state == RecipientState.SUPPRESSED,
            Recipient.reason == Delivery.last_reply,
        )
        .order_by(Delivery.id.desc())
        .limit(_LOOKED_AT)
    )
    plain_reply = _without_address(reply, message.address)
    addresses: dict[int, str] = {}
    for delivery_id, last_reply, address in tx.execute(query):
        if _without_address(last_reply or "", address) == plain_reply:
            addresses[delivery_id] = address
    return addresses


def _is_small_share(number: int, sent: int) -> bool:
    return number * DOUBTED_SHARE < number + sent


def _breaks_down(tx: Session, message: Message, ended: dict[int, str]) -> bool:
    """Whether few mails of the alert were taken while the latest ALIKE_RUNNING were refused alike,
    however many were before.
    """
    latest = sorted([message.id, *ended])[-ALIKE_RUNNING:]
    if len(latest) < ALIKE_RUNNING:
        return False
    meanwhile = (
        Delivery.alert_id == message.alert_id,
        Delivery.id.between(latest[0], latest[-1]),
        Delivery.state == DeliveryState.SENT,
    )
    enough = (
        select(Delivery.id)
        .where(*meanwhile)
        .order_by(Delivery.id)
        .limit(ALIKE_RUNNING * DOUBTED_SHARE)
        .subquery()
    )
    sent = tx.scalar(select(func.count()).select_from(enough)) or 0
    return not _is_small_share(ALIKE_RUNNING, sent)


def _take_back(tx: Session, alert_id: int, delivery_ids: Sequence[int]) -> None:
    """Subscribe the recipients of these deliveries again, and let their mails wait."""
    waiting: dict[str, Any] = {
        "state": DeliveryState.QUEUED,
        "attempts": Delivery.attempts - 1,
        "due_at": now(tx),
        "settled_at": None,
    }
    back = update(Delivery).where(among(tx, Delivery.id, delivery_ids)).values(waiting)
    back = back.returning(Delivery.recipient_id, Delivery.lane)
    rows = tx.execute(back.execution_options(synchronize_session=False)).all()
    recipients = update(Recipient).where(
        among(tx, Recipient.id, [row.recipient_id for row in rows])
    )
    follows = exists().where(
        Subscription.recipient_id == Recipient.id, Subscription.ended_at.is_(None)
    )
    # while their mail was on its way
    changed(
        tx,
        recipients.where(~follows).values(
            state=RecipientState.ENDED, end_reason=EndReason.LEFT, reason=LEFT
        ),
    )
    changed(
        tx,
        recipients.where(follows).values(state=RecipientState.CONFIRMED, reason="", ended_at=None),
    )
    failed = Counter((alert_id, row.lane, TallyKind.FAILED) for row in rows)
    add_to_tallies(tx, {change: -number for change, number in failed.items()})


def _without_address(reply: str, address: str) -> list[str]:
    """The words of ``reply`` that are no address, name of a host, number or id."""
    local = address.rpartition("@")[0].lower()
    stripped = (word.strip(".,:;!()<>[]'\"") for word in reply.lower().split())
    return [word for word in stripped if word.isalpha() and word != local]
