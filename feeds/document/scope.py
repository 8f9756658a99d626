"""Whose feed it is: its name, its page, and the condition that its entries meet."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Select, case, func, select, text
from sqlalchemy.orm import Session

from config.settings import Settings
from feeds.document.feed_address import FeedTopic, Flavour, Scope
from feeds.document.feed_document import Person
from feeds.document.labels import words
from models import Contributor, Entry, Site, Stream, StreamState
from models.streams import feed_departures
from models.streams.listings import named, public_contributor, tag_label, tagged
from models.streams.streams import get_stream

# Seconds that a copy stays fresh.  Readers wait for the longest hint that they find, so RSS's ttl
# comes from the same number.
# An ended stream may lose an entry or be opened again, so it waits no longer than a quiet one.
MAX_AGE = {StreamState.LIVE: 60, StreamState.QUIET: 900, StreamState.ENDED: 900}
_PUBLIC = Stream.state.in_(MAX_AGE)
_RAISED: Any = text("entry.importance <> 'normal'")  # word for word as in the partial index


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeFound:
    """What a feed's head says, and ``members``: the conditions on entries, joined with their
    streams, that belong to it.
    """

    site: Person
    guid: str
    title: str
    page_url: str
    language: str
    max_age: int
    members: tuple[ColumnElement[bool], ...]
    streams: ColumnElement[bool]  # those that the entries come from
    # what `models.streams.feed_departures` calls the feeds whose departures this feed sees
    departures: tuple[str, ...]
    created_at: datetime
    changed_at: datetime
    stamp: int
    dek: str = ""
    rights: str = ""
    logo_url: str = ""
    contributors: tuple[Person, ...] = ()

    @property
    def head(self) -> tuple[Any, ...]:
        """What the head of each of its documents says, whichever entries it shows."""
        head = (
            self.site,
            self.guid,
            self.title,
            self.dek,
            self.page_url,
            self.language,
            self.contributors,
        )
        return *head, self.rights, self.logo_url


def person(settings: Settings, contributor: Contributor) -> Person:
    """Somebody credited, with the page here that tells about them."""
    return Person(
        contributor.name, f"{settings.base_url}/contributors/{quote(contributor.slug, safe='')}"
    )


def find_scope(tx: Session, settings: Settings, topic: FeedTopic) -> ScopeFound:
    """Raises NotFound where there is no such stream, tag or contributor to the public; Gone where
    the stream was deleted.
    """
    return (
        _stream(tx, settings, topic)
        if topic.scope is Scope.STREAM
        else _across(tx, settings, topic)
    )


def members(scope: ScopeFound, *columns: Any) -> Select[Any]:
    """A query for what ever came out in that scope, withdrawn entries too: they keep their place,
    so that no boundary moves.
    """
    return (
        select(*columns)
        .select_from(Entry)
        .join(Stream, Stream.id == Entry.stream_id)
        .where(Entry.seq.is_not(None), *scope.members)
    )


def _stream(tx: Session, settings: Settings, topic: FeedTopic) -> ScopeFound:
    stream = get_stream(tx, topic.name, public=True)
    return ScopeFound(
        site=_site(settings),
        guid=_guid(stream.guid, topic.flavour.value),
        title=_title(stream.title, topic, stream.language),
        rights=settings.site_imprint,
        logo_url=settings.base_url + stream.picture.largest.path if stream.picture else "",
        dek=stream.dek,
        page_url=f"{settings.base_url}/streams/{stream.slug}",
        language=stream.language,
        max_age=MAX_AGE[stream.state],
        members=(Entry.stream_id == stream.id, *_flavour(topic)),
        streams=Stream.id == stream.id,
        departures=(feed_departures.key_of_stream(stream.id),)
        if topic.flavour is Flavour.KEY
        else (),
        contributors=tuple(person(settings, who) for who in stream.contributors),
        created_at=stream.created_at,
        changed_at=stream.changed_at,
        stamp=stream.seq,
    )


def _across(tx: Session, settings: Settings, topic: FeedTopic) -> ScopeFound:
    """All streams, a tag or a contributor. Hidden and deleted streams count as changes: this feed
    changed when they left it.
    """
    site = tx.scalars(select(Site)).one()
    changed, live = tx.execute(
        select(func.max(Stream.changed_at), func.count(case((Stream.state == StreamState.LIVE, 1))))
    ).one()
    named, own, left = _named(tx, topic)
    folder = FeedTopic(topic.scope, topic.name).folder.rstrip("/")
    return ScopeFound(
        site=_site(settings),
        rights=settings.site_imprint,
        guid=_guid(_site_guid(site, folder.strip("/") or "all"), topic.flavour.value),
        title=_title(
            f"{settings.site_name}: {named}" if named else settings.site_name,
            topic,
            settings.site_language,
        ),
        page_url=settings.base_url + (folder or "/"),
        language=settings.site_language,
        max_age=MAX_AGE[StreamState.LIVE if live else StreamState.QUIET],
        members=(_PUBLIC, *own, *_flavour(topic)),
        streams=_PUBLIC,
        departures=(
            feed_departures.SITE,
            *left,
            *((feed_departures.KEY,) if topic.flavour is Flavour.KEY else ()),
        ),
        created_at=site.created_at,
        changed_at=changed or site.created_at,
        stamp=site.seq,
    )


def _named(
    tx: Session, topic: FeedTopic
) -> tuple[str, tuple[ColumnElement[bool], ...], tuple[str, ...]]:
    """The name of a tag or contributor, the condition that brings their entries, and the feed's
    departures; of the site nothing.
    """
    if topic.scope is Scope.SITE:
        return "", (), ()
    if topic.scope is Scope.CONTRIBUTOR:
        who = public_contributor(tx, topic.name, withdrawn=True)
        return who.name, (named(who),), (feed_departures.contributor(who.id),)
    return (
        tag_label(tx, topic.name, withdrawn=True),
        (tagged(topic.name),),
        (feed_departures.tag(topic.name),),
    )


def _flavour(topic: FeedTopic) -> tuple[ColumnElement[bool], ...]:
    """The condition of entries that a flavour shows, beside those of its scope."""
    if topic.flavour is Flavour.KEY:
        return (_RAISED,)
    return (Entry.backdated.is_(False),) if topic.flavour is Flavour.NEW else ()


def _site(settings: Settings) -> Person:
    return Person(settings.site_name, f"{settings.base_url}/")


def _title(title: str, topic: FeedTopic, language: str) -> str:
    said = words(language)
    named = {Flavour.ALL: "", Flavour.KEY: said.key, Flavour.NEW: said.new}[topic.flavour]
    return f"{title} – {named}" if named else title


def _site_guid(site: Site, name: str) -> str:
    """The id of a feed that no row stands for, made of what is stored for good: it must outlive a
    move to another address.
    """
    if site.id_authority:
        return f"tag:{site.id_authority},{site.created_at:%Y-%m-%d}:{name}"
    return uuid.uuid5(uuid.NAMESPACE_OID, f"storywire {site.created_at.isoformat()} {name}").urn


def _guid(guid: str, flavour: str) -> str:
    """The id of a flavour of the feed of that id."""
    if not flavour:
        return guid
    return (
        f"{guid}/{flavour}" if guid.startswith("tag:") else uuid.uuid5(uuid.UUID(guid), flavour).urn
    )
