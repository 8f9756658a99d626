"""Streams: created, loaded, edited, and moved from state to state."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import Self

from sqlalchemy import func, select, update
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
MAX_PREFIX_CHARS = 60
MAX_MAIL_TEXT_CHARS = 1_000


@dataclass(frozen=True)
class StreamText:
    """The texts and settings of a stream.  The overview is Markdown, ``contributors`` are slugs or
    names.

    ``subject_prefix``, ``mail_intro`` and ``mail_footer`` are plain text.  ``color`` is like
    #b8241a; empty: the site's.
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
    picture: str = ""  # the SHA-256 of an uploaded one
    picture_alt: str = ""

    def cleaned(self) -> Self:
        """The text as it is stored; raises Invalid."""
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
        """The current text of a stream; its credits and picture must be loaded."""
        text = cls(
            title=stream.title,
            dek=stream.dek,
            overview=stream.overview,
            contributors=tuple(person.slug for person in stream.contributors),
            language=stream.language,
            timezone=stream.timezone,
            feed_text=stream.feed_text,
            subject_prefix=stream.subject_prefix or "",
            mail_intro=stream.mail_intro or "",
            mail_footer=stream.mail_footer or "",
            color=stream.color or "",
        )
        if stream.picture:
            return replace(text, picture=stream.picture.sha256, picture_alt=stream.picture_alt)
        return text

    @property
    def fingerprint(self) -> str:
        """A hash of the text; new entries do not change it."""
        return sha256(repr(astuple(self)).encode()).hexdigest()[:16]


def add_stream(db: Database, actor: Actor, slug: str, text: StreamText) -> Stream:
    """The stream of that slug, created if there is none; an existing one is returned unchanged."""
    actor.must_be(Role.EDITOR)
    slug = valid_slug(slug)
    text = text.cleaned()
    overview_html = to_html(text.overview, "overview")  # it may take a second: not under the lock
    with db.begin() as tx:
        lock_site(tx)
        stream = tx.scalar(select(Stream).where(Stream.slug == slug))
        if stream is not None:
            return stream
        require_free_slug(tx, slug)
        created_at = now(tx)
        uid = new_uid()
        stream = Stream(
            uid=uid,
            guid=mint_guid(tx, uid, created_at),
            slug=slug,
            seq=next_seq(tx),
            created_at=created_at,
            changed_at=created_at,
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
    """Give the stream this text, and perhaps another slug; an equal text changes nothing.

    ``former`` is the fingerprint of the text that the caller edited; raises Conflict where someone
    else has changed it since.
    """
    actor.must_be(Role.EDITOR)
    text = text.cleaned()
    move_to = valid_slug(move_to or slug)
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
    stream.title = text.title
    stream.dek = text.dek
    stream.feed_text = text.feed_text
    stream.overview = text.overview
    stream.overview_html = overview_html
    stream.language = text.language
    stream.timezone = text.timezone
    stream.subject_prefix = text.subject_prefix or None
    stream.mail_intro = text.mail_intro or None
    stream.mail_footer = text.mail_footer or None
    stream.color = text.color or None
    stream.picture_id = None
    stream.picture_alt = text.picture_alt
    if text.picture:
        mark_pictures_used(tx, [text.picture])
        stream.picture_id = pictures_by_name(tx, [text.picture])[text.picture].id
    people = resolve_contributors(tx, text.contributors)
    stream.credits = [
        StreamContributor(contributor=person, position=position)
        for position, person in enumerate(people)
    ]


def _color(value: str) -> str:
    try:
        return as_accent(value.strip()) if value.strip() else ""
    except ValueError as exc:
        raise Invalid("color", f"{exc}.") from exc


def _one_line(field: str, value: str) -> str:
    """A text for a mail's header, in which a line break would begin another header."""
    if any(char in value.strip() for char in "\r\n\v\f\x85\u2028\u2029"):
        raise Invalid(field, "enter it on one line.")
    return line(field, value, MAX_PREFIX_CHARS)


def get_stream(tx: Session, slug: str, *, public: bool = False) -> Stream:
    """The stream with contributors and picture; a hidden one is not ``public``.

    Raises NotFound, MovedPermanently for a former slug, and Gone for a deleted stream.
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
    """The stream of that slug, unless it is deleted; without contributors and picture."""
    if not is_slug(slug):
        return None
    query = select(Stream).where(Stream.slug == slug, Stream.state != StreamState.DELETED)
    return tx.scalar(query)


def stream_language(tx: Session, slug: str) -> str | None:
    """The language of a stream that is or was public."""
    if not is_slug(slug):
        return None
    query = select(Stream.language)
    return tx.scalar(query.where(Stream.slug == slug, Stream.state != StreamState.HIDDEN))


def list_streams(tx: Session, *, public: bool = False) -> Sequence[Stream]:
    """All streams except deleted ones, and hidden ones for the public; latest entry first."""
    excluded = CLOSED if public else (StreamState.DELETED,)
    return tx.scalars(
        select(Stream).where(Stream.state.not_in(excluded)).order_by(*LATEST_FIRST)
    ).all()


def set_stream_state(db: Database, actor: Actor, slug: str, state: StreamState) -> Stream:
    """Hide, open, end, reopen or delete a stream.  The end of a public stream is alerted to its
    followers.
    """
    actor.must_be(Role.EDITOR)
    with db.begin() as tx:
        stream = get_stream(tx, slug)
        if stream.state is not state:
            was_public = stream.is_public
            stream.state = state
            bump_version(tx, stream)
            if was_public and not stream.is_public:
                note_departures(tx, [SITE_FEED])
            if was_public and state is StreamState.ENDED:
                create_ending_alert(tx, stream)
        return stream


def bump_version(tx: Session, stream: Stream, *, published_delta: int = 0) -> int:
    """Count a public change of this stream, and ``published_delta`` more public entries; returns
    the site's counter.
    """
    stream.seq = next_seq(tx)
    stream.changed_at = now(tx)
    if published_delta:  # in SQL: another node may have counted since this one read it
        counted = update(Stream).where(Stream.id == stream.id)
        tx.execute(counted.values(published=Stream.published + published_delta))
    return stream.seq


def require_open_stream(stream: Stream) -> None:
    """Raise Conflict where the stream has ended, Gone where it was deleted."""
    if stream.state is StreamState.DELETED:
        raise Gone("stream", stream.slug)
    if stream.state is StreamState.ENDED:
        raise Conflict("“%(story)s” has ended. Reopen it before posting.", story=stream.title[:80])


def mark_idle_streams_quiet(db: Database) -> int:
    """Mark every live stream quiet that had no entry for a day; returns how many."""
    with db.begin() as tx:
        since = now(tx) - QUIET_AFTER
        is_idle = func.coalesce(Stream.last_entry_at, Stream.created_at) < since
        idle = tx.scalars(select(Stream.id).where(Stream.state == StreamState.LIVE, is_idle)).all()
        if idle:
            tx.execute(
                update(Stream)
                .where(Stream.id.in_(idle))
                .values(state=StreamState.QUIET, seq=next_seq(tx), changed_at=now(tx))
            )
        return len(idle)
