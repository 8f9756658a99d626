"""Streams: made, found, and moved from state to state."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import Self

from sqlalchemy import select, update
from sqlalchemy.orm import Session, joinedload, selectinload

from config.colors import as_accent
from models.db.clock import now
from models.db.database import Database
from models.db.site import lock_site, mint_guid, next_seq
from models.streams.contributors import resolve_contributors
from models.streams.feed_departures import SITE_FEED, note_departures
from models.streams.pictures import mark_pictures_used, pictures_by_name
from models.streams.stream_ended import create_ending_alert
from models.tables.base import new_uid
from models.tables.media import Picture
from models.tables.people import Role
from models.tables.stories import CLOSED, FeedText, Stream, StreamContributor, StreamState
from models.text.actor import Actor
from models.text.errors import Conflict, Gone, Invalid, MovedPermanently, NotFound
from models.text.markdown import to_html
from models.text.slugs import change_slug, current_slug, is_slug, require_free_slug, valid_slug
from models.text.texts import (
    MAX_BODY_CHARS,
    MAX_DEK_CHARS,
    MAX_NAME_CHARS,
    MAX_TITLE_CHARS,
    PictureText,
    block,
    language_tag,
    line,
)
from models.text.times import zone_name

QUIET_AFTER = timedelta(hours=24)
LATEST_FIRST = (Stream.last_entry_at.desc().nulls_last(), Stream.id.desc())
MAX_PREFIX_CHARS, MAX_MAIL_TEXT_CHARS = 60, 1_000  # characters at most


@dataclass(frozen=True)
class StreamText:
    """What an editor decides about a stream; the overview is Markdown, ``contributors`` slugs or
    names.

    What is about mails is plain text: before the subject, on top of them and at their end.
    ``color`` is as #b8241a; empty: the site's.
    """

    title: str
    dek: str = ""
    overview: str = ""
    contributors: tuple[str, ...] = ()
    language: str = "en"
    timezone: str = "UTC"
    feed_text: FeedText = FeedText.FULL
    subject_prefix: str = ""
    mail_intro: str = ""
    mail_footer: str = ""
    color: str = ""
    picture: str = ""  # the SHA-256 of one that was sent before
    picture_alt: str = ""

    def cleaned(self) -> Self:
        """The same, fit to be stored; raises Invalid, which names the field and says what to do."""
        names = (line("contributor", name, MAX_NAME_CHARS) for name in self.contributors)
        picture = (
            PictureText(self.picture, self.picture_alt).cleaned(1)
            if self.picture
            else PictureText("", "")
        )
        return replace(
            self,
            title=line("title", self.title, MAX_TITLE_CHARS, required=True),
            dek=line("dek", self.dek, MAX_DEK_CHARS),
            overview=block("overview", self.overview, MAX_BODY_CHARS),
            contributors=tuple(name for name in names if name),
            language=language_tag("language", self.language),
            timezone=zone_name("timezone", self.timezone),
            subject_prefix=_one_line("subject_prefix", self.subject_prefix),
            mail_intro=block("mail_intro", self.mail_intro, MAX_MAIL_TEXT_CHARS),
            mail_footer=block("mail_footer", self.mail_footer, MAX_MAIL_TEXT_CHARS),
            color=_color(self.color),
            picture=picture.sha256,
            picture_alt=picture.alt,
        )

    @classmethod
    def of(cls, stream: Stream) -> Self:
        """What the stream says now; its credits and picture must be loaded."""
        names = tuple(person.slug for person in stream.contributors)
        around = (stream.subject_prefix or "", stream.mail_intro or "", stream.mail_footer or "")
        picture = (stream.picture.sha256, stream.picture_alt) if stream.picture else ()
        said = (
            stream.title,
            stream.dek,
            stream.overview,
            names,
            stream.language,
            stream.timezone,
            stream.feed_text,
        )
        return cls(*said, *around, stream.color or "", *picture)

    @property
    def fingerprint(self) -> str:
        """Changes with any of it, and not when entries come."""
        return sha256(repr(astuple(self)).encode()).hexdigest()[:16]


def add_stream(db: Database, actor: Actor, slug: str, text: StreamText) -> Stream:
    """The stream of that slug, made if there is none; an existing one is returned as it is."""
    actor.must_be(Role.EDITOR)
    slug, text = valid_slug(slug), text.cleaned()
    overview_html = to_html(text.overview, "overview")  # it may take a second: not under the lock
    with db.begin() as tx:
        lock_site(tx)
        stream = tx.scalar(select(Stream).where(Stream.slug == slug))
        if stream is not None:
            return stream
        require_free_slug(tx, slug)
        moment, uid = now(tx), new_uid()
        stream = Stream(
            uid=uid,
            guid=mint_guid(tx, uid, moment),
            slug=slug,
            seq=next_seq(tx),
            created_at=moment,
            changed_at=moment,
        )
        _fill(tx, stream, text, overview_html)
        tx.add(stream)
        return stream


def edit_stream(
    db: Database,
    actor: Actor,
    slug: str,
    text: StreamText,
    *,
    former: str | None = None,
    move_to: str | None = None,
) -> Stream:
    """Make the stream say that, perhaps at another address; what it says already changes nothing.

    ``former`` is the fingerprint of what the caller looked at: Conflict where somebody else changed
    it meanwhile.
    """
    actor.must_be(Role.EDITOR)
    text, move_to = text.cleaned(), valid_slug(move_to or slug)
    overview_html = to_html(text.overview, "overview")
    with db.begin() as tx:
        lock_site(tx)
        stream = get_stream(tx, slug)
        present = StreamText.of(stream)
        if former not in (None, present.fingerprint):
            raise Conflict(
                "Someone else has changed this story. Compare the two versions, then save again."
            )
        text = replace(
            text,
            contributors=tuple(
                person.slug for person in resolve_contributors(tx, text.contributors)
            ),
        )
        moved = change_slug(tx, stream, move_to)
        if text != present:
            stream.credits.clear()
            tx.flush()  # rows with the same keys may come back
            _fill(tx, stream, text, overview_html)
        if moved or text != present:
            bump_version(tx, stream)
        return stream


def _fill(tx: Session, stream: Stream, text: StreamText, overview_html: str) -> None:
    stream.title, stream.dek, stream.feed_text = text.title, text.dek, text.feed_text
    stream.overview, stream.overview_html = text.overview, overview_html
    stream.language, stream.timezone = text.language, text.timezone
    stream.subject_prefix, stream.mail_intro, stream.mail_footer = (
        value or None for value in (text.subject_prefix, text.mail_intro, text.mail_footer)
    )
    stream.color = text.color or None
    mark_pictures_used(tx, [text.picture] if text.picture else [])
    picture = pictures_by_name(tx, [text.picture]).get(text.picture)
    stream.picture_id, stream.picture_alt = picture.id if picture else None, text.picture_alt
    stream.credits = [
        StreamContributor(contributor=person, position=n)
        for n, person in enumerate(resolve_contributors(tx, text.contributors))
    ]


def _color(value: str) -> str:
    try:
        return as_accent(value.strip()) if value.strip() else ""
    except ValueError as exc:
        raise Invalid("color", f"{exc}.") from exc


def _one_line(field: str, value: str) -> str:
    """For a mail's header, in which a line break would begin another header."""
    if any(char in value.strip() for char in "\r\n\v\f\x85\u2028\u2029"):
        raise Invalid(field, "enter it on one line.")
    return line(field, value, MAX_PREFIX_CHARS)


def get_stream(tx: Session, slug: str, *, public: bool = False) -> Stream:
    """The stream, its contributors and picture loaded.  To the public a hidden one is not there.

    Raises NotFound, Moved where that was its former slug, Gone once it was deleted.
    """
    if not is_slug(slug):
        raise NotFound("stream", slug)
    people = selectinload(Stream.credits).selectinload(StreamContributor.contributor)
    picture = joinedload(Stream.picture).selectinload(Picture.files)
    stream = tx.scalar(select(Stream).where(Stream.slug == slug).options(people, picture))
    if stream is None and (present := current_slug(tx, slug, public=public)) is not None:
        raise MovedPermanently("stream", slug, present)
    if stream is None or (public and stream.state is StreamState.HIDDEN):
        raise NotFound("stream", slug)
    if stream.state is StreamState.DELETED:
        raise Gone("stream", slug)
    return stream


def find_stream(tx: Session, slug: str) -> Stream | None:
    """The stream of that slug, if there is one that is not deleted; nothing of it loaded."""
    return (
        tx.scalar(select(Stream).where(Stream.slug == slug, Stream.state != StreamState.DELETED))
        if is_slug(slug)
        else None
    )


def stream_language(tx: Session, slug: str) -> str | None:
    """The language of a story that the public may see, or could."""
    return (
        tx.scalar(
            select(Stream.language).where(Stream.slug == slug, Stream.state != StreamState.HIDDEN)
        )
        if is_slug(slug)
        else None
    )


def list_streams(tx: Session, *, public: bool = False) -> Sequence[Stream]:
    """All but deleted ones, and to the public but hidden ones; the one with the latest entry first."""
    left_out = CLOSED if public else (StreamState.DELETED,)
    return tx.scalars(
        select(Stream).where(Stream.state.not_in(left_out)).order_by(*LATEST_FIRST)
    ).all()


def set_stream_state(db: Database, actor: Actor, slug: str, state: StreamState) -> Stream:
    """Hide, open, end, re-open or delete a stream. When one ends that the public saw, its followers
    are owed a last word.
    """
    actor.must_be(Role.EDITOR)
    with db.begin() as tx:
        stream = get_stream(tx, slug)
        if stream.state is not state:
            was_seen = stream.is_public
            stream.state = state
            bump_version(tx, stream)
            if was_seen and not stream.is_public:
                note_departures(tx, [SITE_FEED])
            if was_seen and state is StreamState.ENDED:
                create_ending_alert(tx, stream)
        return stream


def bump_version(tx: Session, stream: Stream, *, more: int = 0) -> int:
    """Say that the public sees something new of this stream, and ``more`` of its entries; returns
    the site's counter.
    """
    stream.seq = next_seq(tx)
    stream.changed_at = now(tx)
    if more:  # in SQL: another node may have counted since this one read it
        tx.execute(
            update(Stream).where(Stream.id == stream.id).values(published=Stream.published + more)
        )
    return stream.seq


def require_open_stream(stream: Stream) -> None:
    """Raise Conflict where the stream has ended, Gone where it was deleted."""
    if stream.state is StreamState.DELETED:
        raise Gone("stream", stream.slug)
    if stream.state is StreamState.ENDED:
        raise Conflict("“%(story)s” has ended. Reopen it before posting.", story=stream.title[:80])


def mark_idle_streams_quiet(db: Database) -> int:
    """Call every live stream quiet that had no entry for a day; returns how many."""
    with db.begin() as tx:
        since = now(tx) - QUIET_AFTER
        silent = Stream.last_entry_at < since
        new = Stream.last_entry_at.is_(None) & (Stream.created_at < since)
        still = tx.scalars(
            select(Stream.id).where(Stream.state == StreamState.LIVE, silent | new)
        ).all()
        if still:
            tx.execute(
                update(Stream)
                .where(Stream.id.in_(still))
                .values(state=StreamState.QUIET, seq=next_seq(tx), changed_at=now(tx))
            )
        return len(still)
