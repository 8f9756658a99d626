"""Lists of subscribers: a page at a time by key, so that a million cost as little as ten, or all of
them, some at a time.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from models.db.database import Database
from models.recipients.list_columns import as_cell
from models.recipients.list_settings import FollowedStory, followed_stories, write_settings
from models.streams.streams import get_stream
from models.tables.ledger import (
    HAS_SUBSCRIBED,
    Alert,
    AlertKind,
    Delivery,
    DeliveryState,
    Lane,
    Recipient,
    RecipientKind,
    RecipientState,
    SkipReason,
    Subscription,
)
from models.tables.stories import Entry, Revision, RevisionKind
from models.text.email_address import LAST_CHARACTER
from models.text.texts import line

PAGE = 50
SLICE = 1_000  # subscribers that an export reads at a time
CHUNK = 32_000  # characters of CSV that go out together


@dataclass(frozen=True)
class Page:
    """Some subscribers; ``next`` is where the next page begins, None on the last one."""

    recipients: Sequence[Recipient]
    next: str | None


def browse(
    tx: Session, state: RecipientState | None = None, *, after: int | None = None, limit: int = PAGE
) -> Page:
    """Subscribers, or those of one state, the latest first; after the one with that id."""
    # Every mail address is in the bulk lane, whose index is in the order of ids.
    which = Recipient.lane == Lane.BULK if state is None else Recipient.state == state
    query = (
        select(Recipient)
        .where(Recipient.kind == RecipientKind.MAIL, which, HAS_SUBSCRIBED)
        .order_by(Recipient.id.desc())
    )
    return _cut(
        tx,
        query if after is None else query.where(Recipient.id < after),
        limit,
        lambda recipient: str(recipient.id),
    )


def search(tx: Session, text: str, *, after: str | None = None, limit: int = PAGE) -> Page:
    """Subscribers whose address begins with ``text``, by address, or those of a domain where it is
    one written as @domain.
    """
    text, after = line("search", text, 320).lower(), line("after", after or "", 320)
    query = select(Recipient).where(Recipient.kind == RecipientKind.MAIL, HAS_SUBSCRIBED)
    if text.startswith("@"):
        query = query.where(Recipient.domain == text[1:]).order_by(Recipient.id.desc())
        query = (
            query.where(Recipient.id < int(after))
            if after.isdecimal() and len(after) < 19
            else query
        )
        return _cut(tx, query, limit, lambda recipient: str(recipient.id))
    begins = (Recipient.address >= text, Recipient.address < text + LAST_CHARACTER)
    query = query.where(*begins).order_by(Recipient.address)
    return _cut(
        tx,
        query.where(Recipient.address > after) if after else query,
        limit,
        lambda recipient: recipient.address,
    )


def _cut(
    tx: Session, query: Select[Recipient], limit: int, key: Callable[[Recipient], str]
) -> Page:
    recipients = tx.scalars(query.limit(limit + 1)).all()
    return Page(recipients[:limit], key(recipients[limit - 1]) if len(recipients) > limit else None)


@dataclass(frozen=True)
class DeliveryRecord:
    """One delivery in a recipient's history."""

    delivery_id: int
    uid: str
    kind: AlertKind
    revision: RevisionKind | None
    title: str
    entry_uid: str
    notice: str
    state: DeliveryState
    reason: SkipReason | None
    attempts: int
    last_reply: str
    created_at: datetime
    settled_at: datetime | None


def told(
    tx: Session, recipient_id: int, *, before: int | None = None, limit: int = PAGE
) -> list[DeliveryRecord]:
    """A recipient's deliveries, newest first, older than the one with the id ``before``."""
    query = (
        select(Delivery, Alert.kind, Alert.notice, Revision.kind, Entry.title, Entry.uid)
        .join(Alert, Alert.id == Delivery.alert_id)
        .outerjoin(Revision, Revision.id == Alert.revision_id)
        .outerjoin(Entry, Entry.id == Revision.entry_id)
        .where(Delivery.recipient_id == recipient_id)
        .order_by(Delivery.id.desc())
        .limit(limit)
    )
    rows = tx.execute(query.where(Delivery.id < before) if before is not None else query)
    return [
        DeliveryRecord(
            delivery.id,
            delivery.uid,
            kind,
            revision,
            title or "",
            uid or "",
            (notice or {}).get("name", ""),
            delivery.state,
            delivery.reason,
            delivery.attempts,
            delivery.last_reply or "",
            delivery.created_at,
            delivery.settled_at,
        )
        for delivery, kind, notice, revision, title, uid in rows
    ]


@dataclass(frozen=True)
class Listed:
    """One subscriber of an export, and what they follow."""

    recipient: Recipient
    followed: tuple[FollowedStory, ...]

    @property
    def follows(self) -> tuple[str, ...]:
        """Slugs, or `*` for all stories."""
        return tuple(story.name for story in self.followed if not story.left)


def export(
    db: Database,
    stream: str | None = None,
    *,
    states: Sequence[RecipientState] = (RecipientState.CONFIRMED,),
) -> Iterator[Listed]:
    """All subscribers, or those who follow a stream by its own name, in the order of ids.

    Read some at a time, each in a transaction of its own, so that a long list holds up nobody.
    """
    stream_id, last = None, 0
    if stream is not None:
        with db.read() as tx:
            stream_id = get_stream(tx, stream).id
    while True:
        with db.read() as tx:
            part = _part(tx, stream_id, states, last)
        yield from part
        if len(part) < SLICE:
            return
        last = part[-1].recipient.id


def _part(
    tx: Session, stream_id: int | None, states: Sequence[RecipientState], last: int
) -> list[Listed]:
    query = select(Recipient).where(
        Recipient.lane == Lane.BULK,
        Recipient.id > last,
        Recipient.state.in_(states),
        HAS_SUBSCRIBED,
    )
    if stream_id is not None:
        mine = exists().where(
            Subscription.stream_id == stream_id,
            Subscription.recipient_id == Recipient.id,
            Subscription.ended_at.is_(None),
        )
        query = query.where(mine)
    recipients = tx.scalars(query.order_by(Recipient.id).limit(SLICE)).all()
    followed = followed_stories(tx, [recipient.id for recipient in recipients])
    return [Listed(recipient, tuple(followed.get(recipient.id, ()))) for recipient in recipients]


COLUMNS = (
    "email", "state", "language", "timezone", "follows", "confirmed_at", "consent",
    "reason", "created_at", "ended_at", "quiet_from", "quiet_until", "paused_until", "shared",
    "settings",
)  # fmt: skip


def as_csv(subscribers: Iterable[Listed]) -> Iterator[str]:
    """A CSV file, some lines at a time; imported into an empty site it makes the same subscribers
    again.
    """
    buffer = io.StringIO()
    write = csv.writer(buffer)
    write.writerow(COLUMNS)
    for listed in subscribers:
        write.writerow(_cells(listed))
        if buffer.tell() > CHUNK:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _cells(listed: Listed) -> tuple[str, ...]:
    recipient = listed.recipient
    return (
        as_cell(recipient.address),
        recipient.state.value,
        recipient.language,
        recipient.timezone,
        " ".join(listed.follows),
        _iso(recipient.confirmed_at),
        json.dumps(recipient.consent, ensure_ascii=False) if recipient.consent else "",
        as_cell(recipient.reason),
        _iso(recipient.created_at),
        _iso(recipient.ended_at),
        recipient.quiet_from.isoformat("minutes") if recipient.quiet_from else "",
        recipient.quiet_until.isoformat("minutes") if recipient.quiet_until else "",
        _iso(recipient.paused_until),
        "true" if recipient.shared else "",
        write_settings(listed.followed),
    )


def _iso(time: datetime | None) -> str:
    return time.isoformat(timespec="seconds") if time else ""
