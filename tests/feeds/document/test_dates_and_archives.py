"""Whatever an editor does, in whatever order: no date of a feed goes back, archives hold each entry
once, and no archive changes under an address that caches may keep.
"""

import shutil
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sqlalchemy import select

from config.settings import Settings
from feeds.document.feed_address import FeedTopic, Flavour, Scope, parse_feed_path
from feeds.document.feed_document import Format
from feeds.document.load import ARCHIVE_MAX_AGE_SECONDS, FeedLoader, FeedMoved
from models import Entry, EntryState, FeedText, Importance, RevisionKind, StreamState
from models.db.database import open_database
from models.publishing.posting import Release
from models.publishing.revising import Change, restore, retract, revise, undo
from models.streams.entries import entries_query
from models.streams.streams import StreamText, edit_stream, get_stream, set_stream_state
from models.text.errors import Gone, NotFound, ServiceError
from models.text.texts import EntryText
from tests.support.clock import StandingClock
from tests.support.examples import examples
from tests.support.newsroom import Newsroom

SITE = "https://news.example.org"
WINDOW = 2
TOPICS = [
    FeedTopic(),
    FeedTopic(flavour=Flavour.NEW),
    FeedTopic(Scope.STREAM, "floods"),
    FeedTopic(Scope.STREAM, "floods", Flavour.KEY),
    FeedTopic(Scope.TAG, "dykes"),
    FeedTopic(Scope.TAG, "dykes", Flavour.KEY),
    FeedTopic(Scope.CONTRIBUTOR, "ines"),
]
RICH = {
    "body": "Text.",
    "tags": ("Dykes", "The Flats"),
    "byline": ("Ines", "Jory"),
    "importance": Importance.KEY,
}


class ArchivedSite:
    """A newsroom in which changes are made to one story and one entry at a time."""

    def __init__(self, path):
        self.clock = StandingClock()
        self.db = open_database(f"sqlite:///{path}", clock=self.clock)
        self.room = Newsroom(self.db)
        for slug in ("floods", "ice"):
            self.room.stream(slug)
        self.settings = Settings(base_url=SITE, site_name="Courier", site_language="en")
        self.loader = FeedLoader(self.db, self.settings)
        self.slug, self.chosen = "floods", 0

    def post(self, number=1, *, at=None, **text):
        for _ in range(number):
            self.clock.forward(seconds=1)
            self.room.post(
                self.slug,
                f"Title {self.clock.now:%H:%M:%S}",
                release=Release(at=at and self.clock.now - at),
                **text,
            )

    def change(self, how, kind=RevisionKind.SILENT, delay=timedelta(0), **text):
        """Revise the chosen one of the entries that are out, as it stands."""
        with self.db.read() as tx:
            uids = tx.scalars(
                select(Entry.uid).where(Entry.seq.is_not(None)).order_by(Entry.seq)
            ).all()
        if uids:
            entry = self.room.entry(uids[self.chosen % len(uids)])
            said = EntryText(
                entry.title,
                body=entry.body,
                tags=tuple(tag.label for tag in entry.tags),
                byline=tuple(person.name for person in entry.byline),
                importance=entry.importance,
            )
            given = (replace(said, **text),) if how is revise else ()
            how(
                self.db,
                self.room.actor,
                entry.uid,
                entry.version,
                *given,
                Change(kind, "A note", delay),
            )

    def undo(self):
        self.change(lambda db, actor, uid, version, _change: undo(db, actor, uid, version))

    def edit(self, **text):
        with self.db.read() as tx:
            said = StreamText.of(get_stream(tx, self.slug))
        edit_stream(self.db, self.room.actor, self.slug, replace(said, **text))

    def state(self, state):
        set_stream_state(self.db, self.room.actor, self.slug, state)

    def configure(self, **given):
        self.settings = self.settings.model_copy(update=given)
        self.loader = FeedLoader(self.db, self.settings)

    def documents(self, topic):
        """The newest document and its archives, by the way of RFC 5005."""
        document = self.loader.load(topic)
        yield document
        while older := document.previous_url(Format.ATOM):
            found = parse_feed_path(older.removeprefix(SITE))
            assert found
            document = self.loader.load(found[0])
            yield document


CHANGES = {
    "an entry comes out": lambda site: site.post(),
    "key entries come out": lambda site: site.post(2, **RICH),
    "old ones are imported": lambda site: site.post(WINDOW + 1, at=timedelta(days=2500), **RICH),
    "one is dated back by an hour": lambda site: site.post(at=timedelta(hours=1), tags=("Dykes",)),
    "a silent edit": lambda site: site.change(revise, title="Better", body="Better text."),
    "tags are removed": lambda site: site.change(revise, tags=()),
    "a tag is added": lambda site: site.change(revise, tags=("DYKES",)),
    "the byline is removed": lambda site: site.change(revise, byline=()),
    "importance is lowered": lambda site: site.change(revise, importance=Importance.NORMAL),
    "importance is raised": lambda site: site.change(revise, importance=Importance.BREAKING),
    "an update": lambda site: site.change(revise, RevisionKind.UPDATE, title="With news"),
    "a correction": lambda site: site.change(revise, RevisionKind.CORRECTION, title="Right"),
    "a retraction": lambda site: site.change(retract, RevisionKind.RETRACTION),
    "a retraction that waits": lambda site: site.change(
        retract, RevisionKind.RETRACTION, timedelta(seconds=10)
    ),
    "a retraction is undone": lambda site: site.undo(),
    "a restoration": lambda site: site.change(restore, RevisionKind.RESTORE),
    "a story is hidden": lambda site: site.state(StreamState.HIDDEN),
    "a story ends": lambda site: site.state(StreamState.ENDED),
    "a story is opened": lambda site: site.state(StreamState.LIVE),
    "summaries only": lambda site: site.edit(feed_text=FeedText.SUMMARY),
    "full texts": lambda site: site.edit(feed_text=FeedText.FULL),
    "another title": lambda site: site.edit(title="The great floods", dek="As they rise."),
    "another language": lambda site: site.edit(language="uk"),
    "credits of a story": lambda site: site.edit(contributors=("Hedda",)),
    "the site is renamed": lambda site: site.configure(site_name="Gazette"),
    "the site has an imprint": lambda site: site.configure(site_imprint="Courier, 1 Quay Street"),
    "the other story": lambda site: setattr(
        site, "slug", "ice" if site.slug == "floods" else "floods"
    ),
    "a story is deleted": lambda site: site.state(StreamState.DELETED),
    "a day passes": lambda site: site.clock.forward(days=1),
}
BEFORE = [
    "key entries come out",
    "old ones are imported",
    "the other story",
    "key entries come out",
    "the other story",
]


def check(site, seen):
    """The three promises; ``seen`` holds the dates and the archives so far."""
    with site.db.read() as tx:
        published = tx.scalars(entries_query().where(Entry.state == EntryState.PUBLISHED)).all()
    for topic in TOPICS:
        try:
            documents = list(site.documents(topic))
        except (NotFound, Gone):
            continue
        newest, archives = documents[0], documents[1:]
        assert newest.updated >= seen.dates.get(topic, newest.updated), (
            f"the date of {topic.folder} went back"
        )
        assert newest.updated >= max(
            (entry.updated for entry in newest.entries), default=newest.updated
        )
        seen.dates[topic] = newest.updated
        archived = [entry.id for document in archives for entry in document.entries]
        assert len(archived) == len(set(archived)), f"archives of {topic.folder} overlap"
        if topic.flavour is not Flavour.NEW:
            every = set(archived) | {entry.id for entry in newest.entries}
            assert every >= ids_in(topic, published), f"an entry of {topic.folder} is nowhere"
            by_date = sorted(
                (entry for document in documents for entry in document.entries),
                key=lambda entry: entry.published,
            )
            recent = {entry.published for entry in by_date[-1:]}
            assert not recent or newest.entries[0].published in recent, (
                "the newest by date stands first"
            )
        for document in archives:
            assert document.max_age == ARCHIVE_MAX_AGE_SECONDS <= 3600
            # Documents that are equal have the same bytes in each format.
            assert seen.archives.setdefault(document.folder_url, document) == document, (
                f"{document.folder_url} changed"
            )


def ids_in(topic, published):
    """The ids of the published entries of that scope, by the tables alone."""
    belongs = {
        Scope.SITE: lambda entry: True,
        Scope.STREAM: lambda entry: entry.stream.slug == topic.name,
        Scope.TAG: lambda entry: topic.name in {tag.slug for tag in entry.tags},
        Scope.CONTRIBUTOR: lambda entry: topic.name in {person.slug for person in entry.byline},
    }[topic.scope]
    raised = [
        entry
        for entry in published
        if topic.flavour is Flavour.ALL or entry.importance is not Importance.NORMAL
    ]
    return {entry.guid for entry in raised if belongs(entry) and entry.stream.is_public}


@pytest.fixture(scope="module")
def small_windows():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("feeds.document.load.MAX_ENTRIES", WINDOW)
        yield


def run(template, before, changes):
    """Make ``changes`` on a site that ``before`` filled, and check it before and after each;
    returns what was seen.
    """
    seen = SimpleNamespace(dates={}, archives={})
    with TemporaryDirectory() as folder:
        shutil.copy(template, f"{folder}/db.sqlite3")
        site = ArchivedSite(f"{folder}/db.sqlite3")
        for number, change in enumerate([*before, *changes], 1):
            site.clock.forward(seconds=1)
            with suppress(ServiceError):  # such as a restoration of what is not withdrawn
                CHANGES[change](site)
            site.chosen += 3  # another one next time
            if number >= len(before):
                check(site, seen)
        site.db.engine.dispose()
    return seen


@pytest.mark.usefixtures("small_windows")
@examples(
    5,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(changes=st.lists(st.sampled_from(list(CHANGES)), min_size=2, max_size=6))
def test_no_date_goes_back_and_no_archive_changes(sqlite_template, changes):
    run(sqlite_template, BEFORE, changes)


@pytest.mark.usefixtures("small_windows")
def test_each_change_keeps_dates_and_archives(sqlite_template):
    assert run(sqlite_template, BEFORE, list(CHANGES)).archives


def test_a_former_address_of_an_archive_leads_to_the_present_one(
    monkeypatch, sqlite_template, tmp_path
):
    monkeypatch.setattr("feeds.document.load.MAX_ENTRIES", WINDOW)
    shutil.copy(sqlite_template, tmp_path / "db.sqlite3")
    site = ArchivedSite(tmp_path / "db.sqlite3")
    site.post(5, **RICH)
    former = list(site.documents(FeedTopic(Scope.TAG, "dykes")))[1]
    site.clock.forward(seconds=1)
    site.change(revise, tags=())
    topic, _ = parse_feed_path(former.self_url(Format.ATOM).removeprefix(SITE))
    with pytest.raises(FeedMoved) as moved:
        site.loader.load(topic)
    assert moved.value.topic.archive != topic.archive
    assert "Title 08:00:01" not in {
        entry.title for entry in site.loader.load(moved.value.topic).entries
    }
    site.db.engine.dispose()
