"""The scope of a feed: its title, its page, and the condition that its entries meet."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from sqlalchemy import ColumnElement, Select, case, func, select, text
from sqlalchemy.orm import Session

from config.settings import Settings
from feeds.document.feed_address import FeedTopic, Flavour, Scope
from feeds.document.feed_document import Person
from models import Contributor, Entry, Site, Stream, StreamState
from models.streams import feed_departures
from models.streams.listings import entry_credits, entry_has_tag, public_contributor, tag_label
from models.streams.streams import get_stream
from models.text.translations import catalog

# Seconds for which a copy stays fresh.  Readers wait for the longest hint that they find, so RSS's
# ttl comes from the same number.  An ended stream may lose an entry or be opened again, so it is
# fresh for no longer than a quiet one.
MAX_AGE = {StreamState.LIVE: 60, StreamState.QUIET: 900, StreamState.ENDED: 900}
_PUBLIC = Stream.state.in_(MAX_AGE)
_IS_KEY: Any = text("entry.importance <> 'normal'")  # word for word as in the partial index


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedScope:
    """The content of a feed's head, and the conditions on its entries."""

    site: Person
    guid: str
    title: str
    page_url: str
    language: str
    max_age: int
    members: tuple[ColumnElement[bool], ...]  # on entries, joined with their streams
    streams: ColumnElement[bool]  # those that the entries come from
    departures: tuple[str, ...]  # the keys of `models.streams.feed_departures` that concern it
    created_at: datetime
    changed_at: datetime
    seq: int
    dek: str = ""
    rights: str = ""
    logo_url: str = ""
    contributors: tuple[Person, ...] = ()

    @property
    def head(self) -> tuple[Any, ...]:
        """The content of the head that does not depend on the entries."""
        return (
            self.site,
            self.guid,
            self.title,
            self.dek,
            self.page_url,
            self.language,
            self.contributors,
            self.rights,
            self.logo_url,
        )


class _Subject(NamedTuple):
    """The tag or contributor of a feed: its name, its entries, and its departures."""

    name: str = ""
    members: tuple[ColumnElement[bool], ...] = ()
    departures: tuple[str, ...] = ()


def person(settings: Settings, contributor: Contributor) -> Person:
    """A credited person, with their page on this site."""
    page = f"{settings.base_url}/contributors/{quote(contributor.slug, safe='')}"
    return Person(contributor.name, page)


def find_scope(tx: Session, settings: Settings, topic: FeedTopic) -> FeedScope:
    """Raises NotFound if the public has no such stream, tag or contributor.

    Raises Gone if the stream was deleted.
    """
    if topic.scope is Scope.STREAM:
        return _stream_scope(tx, settings, topic)
    return _mixed_scope(tx, settings, topic)


def members(scope: FeedScope, *columns: Any) -> Select[Any]:
    """A query for all entries that were ever published in that scope.

    Withdrawn entries are among them: they keep their place, so that no boundary moves.
    """
    return (
        select(*columns)
        .select_from(Entry)
        .join(Stream, Stream.id == Entry.stream_id)
        .where(Entry.seq.is_not(None), *scope.members)
    )


def _stream_scope(tx: Session, settings: Settings, topic: FeedTopic) -> FeedScope:
    stream = get_stream(tx, topic.name, public=True)
    key_departures = (feed_departures.stream_key_feed(stream.id),)
    return FeedScope(
        site=_site(settings),
        guid=_flavour_guid(stream.guid, topic.flavour.value),
        title=_title(stream.title, topic, stream.language),
        rights=settings.site_imprint,
        logo_url=settings.base_url + stream.picture.largest.path if stream.picture else "",
        dek=stream.dek,
        page_url=f"{settings.base_url}/streams/{stream.slug}",
        language=stream.language,
        max_age=MAX_AGE[stream.state],
        members=(Entry.stream_id == stream.id, *_flavour_members(topic)),
        streams=Stream.id == stream.id,
        departures=key_departures if topic.flavour is Flavour.KEY else (),
        contributors=tuple(person(settings, each) for each in stream.contributors),
        created_at=stream.created_at,
        changed_at=stream.changed_at,
        seq=stream.seq,
    )


def _mixed_scope(tx: Session, settings: Settings, topic: FeedTopic) -> FeedScope:
    """The scope of all streams, a tag or a contributor.

    Hidden and deleted streams count as changes: the feed changed when they left it.
    """
    site = tx.scalars(select(Site)).one()
    changed_at, live_streams = tx.execute(
        select(func.max(Stream.changed_at), func.count(case((Stream.state == StreamState.LIVE, 1))))
    ).one()
    subject = _subject(tx, topic)
    title = settings.site_name
    if subject.name:
        title = f"{title}: {subject.name}"
    folder = FeedTopic(topic.scope, topic.name).folder.rstrip("/")
    departures = [feed_departures.SITE_FEED, *subject.departures]
    if topic.flavour is Flavour.KEY:
        departures.append(feed_departures.KEY_FEED)
    return FeedScope(
        site=_site(settings),
        rights=settings.site_imprint,
        guid=_flavour_guid(_site_guid(site, folder.strip("/") or "all"), topic.flavour.value),
        title=_title(title, topic, settings.site_language),
        page_url=settings.base_url + (folder or "/"),
        language=settings.site_language,
        max_age=MAX_AGE[StreamState.LIVE if live_streams else StreamState.QUIET],
        members=(_PUBLIC, *subject.members, *_flavour_members(topic)),
        streams=_PUBLIC,
        departures=tuple(departures),
        created_at=site.created_at,
        changed_at=changed_at or site.created_at,
        seq=site.seq,
    )


def _subject(tx: Session, topic: FeedTopic) -> _Subject:
    if topic.scope is Scope.SITE:
        return _Subject()
    if topic.scope is Scope.CONTRIBUTOR:
        contributor = public_contributor(tx, topic.name, withdrawn=True)
        departures = (feed_departures.contributor_feed(contributor.id),)
        return _Subject(contributor.name, (entry_credits(contributor),), departures)
    label = tag_label(tx, topic.name, withdrawn=True)
    return _Subject(label, (entry_has_tag(topic.name),), (feed_departures.tag_feed(topic.name),))


def _flavour_members(topic: FeedTopic) -> tuple[ColumnElement[bool], ...]:
    """The conditions on entries that a flavour adds to those of its scope."""
    if topic.flavour is Flavour.KEY:
        return (_IS_KEY,)
    return (Entry.backdated.is_(False),) if topic.flavour is Flavour.NEW else ()


def _site(settings: Settings) -> Person:
    return Person(settings.site_name, f"{settings.base_url}/")


def _title(title: str, topic: FeedTopic, language: str) -> str:
    gettext = catalog(language).gettext
    labels = {
        Flavour.KEY: gettext("Key and breaking updates"),
        Flavour.NEW: gettext("New updates only"),
    }
    label = labels.get(topic.flavour)
    return f"{title} – {label}" if label else title


def _site_guid(site: Site, name: str) -> str:
    """The id of a feed that has no row, made of stored facts.

    So it outlives a move of the site to another address.
    """
    if site.id_authority:
        return f"tag:{site.id_authority},{site.created_at:%Y-%m-%d}:{name}"
    return uuid.uuid5(uuid.NAMESPACE_OID, f"storywire {site.created_at.isoformat()} {name}").urn


def _flavour_guid(guid: str, flavour: str) -> str:
    if not flavour:
        return guid
    if guid.startswith("tag:"):
        return f"{guid}/{flavour}"
    return uuid.uuid5(uuid.UUID(guid), flavour).urn
