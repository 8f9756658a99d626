"""Rows of a list that do more than subscribe an address: people who left, and all that Storywire's
own export keeps.

A list never makes anybody confirmed who was not, and never undoes what somebody said here since.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.db.clock import now
from models.db.site import current_seq, lock_site
from models.recipients.list_rows import Row
from models.recipients.list_settings import FollowedStory
from models.recipients.preferences import Follow, Rhythm, set_follow
from models.tables.base import new_uid
from models.tables.ledger import (
    Cadence,
    EndReason,
    Lane,
    Recipient,
    RecipientKind,
    RecipientState,
    Subscription,
    SubscriptionExcept,
    SubscriptionTag,
)
from models.tables.stories import Stream, StreamSlug, StreamState
from models.text.email_address import hash_address
from models.text.errors import Invalid


class Outcome(enum.Enum):
    """What became of a row."""

    ADDED = "added"
    ALREADY = "already"  # it follows the same already, or is kept out already
    DUPLICATE = "duplicate"  # of an earlier row
    INVALID = "invalid"
    SUPPRESSED = "suppressed"
    LEFT = "left"
    # unsubscribed or blocked in the list: recorded, so that no other list brings it back
    KEPT_OUT = "kept_out"
    UNCONFIRMED = "unconfirmed"  # not confirmed in the list, so not here either
    CONFIRMED_HERE = "confirmed_here"  # ended in the list, and confirmed here


Decision = tuple[Outcome, str]
"""What becomes of a row, and why it is not taken; without a reason it is."""

LEFT_BEFORE: Decision = (
    Outcome.LEFT,
    "left before; `storywire subscriber add` would bring it back",
)
EXCLUDED_STATES = (RecipientState.ENDED, RecipientState.SUPPRESSED)


def refused_before(reason: str) -> Decision:
    """An address that refused mail before."""
    return Outcome.SUPPRESSED, f"refused mail before: {reason or 'no reason kept'}"


def stream_ids_by_slug(tx: Session) -> dict[str, int]:
    """The ids of all stories by their slugs, also former ones."""
    former = tx.execute(select(StreamSlug.slug, StreamSlug.stream_id)).all()
    present = tx.execute(
        select(Stream.slug, Stream.id).where(Stream.state != StreamState.DELETED)
    ).all()
    return {row.slug: row[1] for row in (*former, *present)}


class ResolvedFollows(NamedTuple):
    """Subscriptions of a row, and ids of stories that its owner left; None for all stories."""

    follows: tuple[Follow, ...]
    left: tuple[int | None, ...]


def resolve_follows(
    followed: Iterable[FollowedStory], stories: Mapping[str, int]
) -> ResolvedFollows:
    """The followed and left stories of a row, by ids; raises Invalid for an unknown story."""
    followed = tuple(followed)
    left_slugs = (story.story for story in followed if story.left)
    follows = tuple(_follow(story, stories) for story in followed if not story.left)
    return ResolvedFollows(
        follows,
        tuple(
            stories.get(slug) if slug else None
            for slug in left_slugs
            if slug is None or slug in stories
        ),
    )


def _follow(followed: FollowedStory, stories: Mapping[str, int]) -> Follow:
    for slug in (followed.story, *followed.left_out):
        if slug is not None and slug not in stories:
            raise Invalid(
                "follows",
                "there is no story %(slug)s here. Create it first, or remove its name.",
                slug=f"{slug!r:.80}",
            )
    stream_id = stories[followed.story] if followed.story is not None else None
    return replace(
        followed.follow,
        stream_id=stream_id,
        left_out=tuple(stories[slug] for slug in followed.left_out),
    )


def restore_rows(
    tx: Session,
    rows: Mapping[str, tuple[Row, ResolvedFollows]],
    language: str,
    since: datetime | None,
    *,
    write: bool,
) -> dict[str, Decision]:
    """Take rows by their addresses, in their order, each with what it follows; without ``write``
    only say what would be.

    ``since``: when this import began, since what it did itself is no newer than its rows.
    """
    if write:
        lock_site(tx)
    names = {name: address for address in rows for name in (address, hash_address(address))}
    known = {
        names[recipient.address]: recipient
        for recipient in tx.scalars(
            select(Recipient).where(
                Recipient.kind == RecipientKind.MAIL, Recipient.address.in_(list(names))
            )
        )
    }
    decisions, new = {}, []
    for address, (row, followed) in rows.items():
        recipient = known.get(address)
        if recipient is None:
            decisions[address] = _decide_unknown(row)
            if decisions[address][1] == "":
                new.append((_recipient(tx, address, row, language), followed))
        else:
            missing = _missing(tx, recipient, followed)
            decisions[address] = _decide_known(row, recipient, missing.follows, since)
            if write:
                _apply(tx, recipient, row, decisions[address], missing)
    if write and new:
        _insert(tx, new)
    return decisions


def _decide_unknown(row: Row) -> Decision:
    state = row.wanted.state
    if state is RecipientState.CONFIRMED:
        return Outcome.ADDED, ""
    if state in EXCLUDED_STATES:
        return Outcome.KEPT_OUT, ""
    reason = (
        "" if row.kept else f"not confirmed in the list ({row.wanted.word}); they can sign up here"
    )
    return Outcome.UNCONFIRMED, reason


def _decide_known(
    row: Row, recipient: Recipient, missing: tuple[Follow, ...], since: datetime | None
) -> Decision:
    wanted, state = row.wanted.state, recipient.state
    if wanted is RecipientState.CONFIRMED:
        if state is RecipientState.SUPPRESSED:
            return refused_before(recipient.reason)
        if state is RecipientState.ENDED:
            return LEFT_BEFORE
        return (
            Outcome.ADDED if missing or state is RecipientState.PENDING else Outcome.ALREADY
        ), ""
    if wanted in EXCLUDED_STATES and state is RecipientState.CONFIRMED:
        if _imported_since(recipient, since):
            return Outcome.KEPT_OUT, ""
        return (
            Outcome.CONFIRMED_HERE,
            f"{row.wanted.word} in the list, but confirmed here, and not changed",
        )
    if (
        wanted is RecipientState.SUPPRESSED
        and state is not RecipientState.SUPPRESSED
        and not recipient.contact_only
    ):
        return Outcome.KEPT_OUT, ""
    return Outcome.ALREADY, ""


def _imported_since(recipient: Recipient, since: datetime | None) -> bool:
    confirmed_at = recipient.confirmed_at
    how = (recipient.consent or {}).get("how")
    return (
        since is not None and confirmed_at is not None and confirmed_at >= since and how == "import"
    )


def _apply(
    tx: Session, recipient: Recipient, row: Row, decision: Decision, missing: ResolvedFollows
) -> None:
    if decision[0] is Outcome.KEPT_OUT:
        recipient.end(now(tx), EndReason.LEFT, _reason(row))
        recipient.state = row.wanted.state
    elif decision[0] is Outcome.ADDED:
        if recipient.state is RecipientState.PENDING:
            recipient.state, recipient.confirmed_at = RecipientState.CONFIRMED, now(tx)
            recipient.consent = (row.kept.consent if row.kept else None) or recipient.consent
        for follow in missing.follows:
            set_follow(tx, recipient, follow)
        tx.add_all(
            _ended(recipient, stream_id, now(tx), current_seq(tx)) for stream_id in missing.left
        )


def _missing(tx: Session, recipient: Recipient, followed: ResolvedFollows) -> ResolvedFollows:
    """The part of ``followed`` that a recipient neither follows nor left here."""
    known = set(
        tx.scalars(select(Subscription.stream_id).where(Subscription.recipient_id == recipient.id))
    )
    left_out = select(SubscriptionExcept.stream_id).join(
        Subscription, Subscription.id == SubscriptionExcept.subscription_id
    )
    known |= set(
        tx.scalars(
            left_out.where(
                Subscription.recipient_id == recipient.id, Subscription.ended_at.is_(None)
            )
        )
    )
    follows = tuple(follow for follow in followed.follows if follow.stream_id not in known)
    return ResolvedFollows(
        follows, tuple(stream_id for stream_id in followed.left if stream_id not in known)
    )


def _reason(row: Row) -> str:
    return row.kept.reason if row.kept else f"{row.wanted.word} in an imported list"[:500]


def _recipient(tx: Session, address: str, row: Row, language: str) -> Recipient:
    created_at = now(tx)
    stored = row.kept
    state = row.wanted.state
    recipient = Recipient(
        uid=new_uid(16),
        kind=RecipientKind.MAIL,
        address=address,
        lane=Lane.BULK,
        language=(row.language if stored else "") or language,
        state=state,
        reason=_reason(row) if state in EXCLUDED_STATES else "",
        created_at=created_at,
        ended_at=created_at if state in EXCLUDED_STATES else None,
    )
    if stored:
        recipient.created_at = stored.created_at or stored.confirmed_at or created_at
        recipient.confirmed_at = stored.confirmed_at
        for name in (
            "ended_at",
            "timezone",
            "consent",
            "quiet_from",
            "quiet_until",
            "paused_until",
            "shared",
        ):
            setattr(recipient, name, getattr(stored, name))
    if state is RecipientState.CONFIRMED:
        recipient.confirmed_at = recipient.confirmed_at or created_at
    return recipient


def _insert(tx: Session, new: list[tuple[Recipient, ResolvedFollows]]) -> None:
    """Insert recipients with what they follow: table by table, since a statement for each row would
    take ten times as long.
    """
    tx.add_all(recipient for recipient, _ in new)
    tx.flush()
    started_at = now(tx)
    seq = current_seq(tx)
    timezones = {recipient.id: recipient.timezone for recipient, _ in new}
    followed = [
        (_subscription(recipient, follow), follow)
        for recipient, of_it in new
        for follow in of_it.follows
    ]
    for subscription, follow in followed:
        subscription.created_at, subscription.started_seq = started_at, seq
        subscription.next_digest_at = follow.rhythm.next_slot(
            timezones[subscription.recipient_id], started_at
        )
        if follow.rhythm.cadence is not Cadence.AT_ONCE:
            subscription.digested_seq = seq
    tx.add_all(subscription for subscription, _ in followed)
    tx.flush()  # in this order, which is that of an export
    tx.add_all(
        _ended(recipient, stream_id, started_at, seq)
        for recipient, of_it in new
        for stream_id in of_it.left
    )
    tx.flush()
    for subscription, follow in followed:
        tx.add_all(
            SubscriptionTag(subscription_id=subscription.id, slug=slug) for slug in follow.tags
        )
        tx.add_all(
            SubscriptionExcept(subscription_id=subscription.id, stream_id=id_)
            for id_ in follow.left_out
        )


def _ended(
    recipient: Recipient, stream_id: int | None, ended_at: datetime, seq: int
) -> Subscription:
    ended = _subscription(recipient, Follow(stream_id=stream_id))
    ended.created_at, ended.started_seq, ended.ended_at = ended_at, seq, ended_at
    return ended


def _subscription(recipient: Recipient, follow: Follow) -> Subscription:
    rhythm = {name: getattr(follow.rhythm, name) for name in Rhythm.__dataclass_fields__}
    return Subscription(
        recipient_id=recipient.id,
        stream_id=follow.stream_id,
        least_importance=follow.least_importance,
        news=follow.news,
        corrections=follow.corrections,
        **rhythm,
    )
