"""From the newsroom's tables to a document, on each kind of database."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select

from config.settings import Settings
from feeds.cache.renderer import Renderer
from feeds.document.feed_address import Archive, FeedTopic, Flavour, Scope, parse_feed_path
from feeds.document.feed_document import Format, Note, Person, Tag, Tombstone
from feeds.document.load import MAX_ENTRIES, FeedLoader, FeedMoved
from models import FeedText, Importance, RevisionKind, Site, Stream, StreamState
from models.db.site import ensure_site
from models.publishing.posting import Release
from models.publishing.revising import Change, apply_now, restore, retract, revise, undo
from models.streams.streams import mark_idle_streams_quiet, set_stream_state
from models.text.errors import Gone, NotFound
from models.text.texts import EntryText, PictureText
from tests.support.picture_files import photo

render = Renderer()

SITE = "https://news.example.org"
START = datetime(2026, 3, 14, 8, 0, tzinfo=UTC)  # where the standing clock begins
HELD = timedelta(seconds=10)


@pytest.fixture
def load(db, newsroom):
    """The feed as a reader of this site gets it."""
    settings = Settings(
        base_url="https://news.example.org", site_name="Courier", site_language="en"
    )
    loader = FeedLoader(db, settings)

    def load(slug=None, **topic):
        return loader.load(FeedTopic(Scope.STREAM, slug, **topic) if slug else FeedTopic(**topic))

    return load


@pytest.fixture
def window(monkeypatch):
    """Documents of that many entries."""
    return lambda size: monkeypatch.setattr("feeds.document.load.MAX_ENTRIES", size)


def archive_of(document):
    """The archive before this document."""
    topic, _ = parse_feed_path(document.previous_url(Format.ATOM).removeprefix(SITE))
    return topic.archive


@pytest.fixture
def change(newsroom):
    """Revise an entry as an editor does who has just read it."""

    def make(entry, kind=RevisionKind.SILENT, note="", *, delay=timedelta(0), **text):
        version = newsroom.entry(entry.uid).version
        asked = Change(kind, note, delay)
        if kind is RevisionKind.RETRACTION:
            return retract(newsroom.db, newsroom.actor, entry.uid, version, asked)
        if kind is RevisionKind.RESTORE:
            return restore(newsroom.db, newsroom.actor, entry.uid, version, asked)
        return revise(
            newsroom.db,
            newsroom.actor,
            entry.uid,
            version,
            EntryText(**{"title": entry.title, **text}),
            asked,
        )

    return make


def titles(document):
    return [entry.title for entry in document.entries]


def test_a_stream_feed_has_authors_and_addresses(load, newsroom):
    stream = newsroom.stream(
        "ice", title="Ice", dek="It freezes.", contributors=("Jory", "Ines"), language="uk"
    )
    document = load("ice")
    assert (document.title, document.dek, document.language, document.id) == (
        "Ice",
        "It freezes.",
        "uk",
        stream.guid,
    )
    assert document.contributors == (
        Person("Jory", f"{SITE}/contributors/jory"),
        Person("Ines", f"{SITE}/contributors/ines"),
    )
    assert document.page_url == "https://news.example.org/streams/ice"
    assert document.self_url(Format.RSS) == "https://news.example.org/streams/ice/rss.xml"
    assert (document.updated, document.changed, document.entries) == (START, START, ())


def test_an_entry_carries_all_its_fields(load, newsroom):
    entry = newsroom.post(
        title="Dyke gives way",
        dek="Leave the Flats.",
        body="Go **now**, see [the map](/maps/flats).",
        byline=("Ines", "Jory"),
        tags=("The Flats", "Évacuation"),
        link="https://town.example/help",
        importance=Importance.BREAKING,
    )
    (found,) = load("floods").entries
    assert (found.id, found.url) == (
        entry.guid,
        f"https://news.example.org/streams/floods/entries/{entry.uid}",
    )
    assert (found.title, found.dek, found.link) == (
        "Dyke gives way",
        "Leave the Flats.",
        "https://town.example/help",
    )
    assert (
        found.content_html
        == '<p>Go <strong>now</strong>, see <a href="https://news.example.org/maps/flats"'
        ' rel="noopener">the map</a>.</p>'
    )
    assert found.authors == (
        Person("Ines", f"{SITE}/contributors/ines"),
        Person("Jory", f"{SITE}/contributors/jory"),
    )
    assert found.tags == (
        Tag("the-flats", "The Flats", "https://news.example.org/tags/the-flats"),
        Tag("évacuation", "Évacuation", "https://news.example.org/tags/%C3%A9vacuation"),
    )
    assert (found.importance, found.published, found.updated, found.notes) == (
        "breaking",
        START,
        START,
        (),
    )


def test_only_what_is_out_is_in_the_feed(load, newsroom, clock):
    newsroom.post(title="Out")
    newsroom.post(title="Draft", release=None)
    newsroom.post(title="Undoable", release=Release(delay=HELD))
    newsroom.post(title="Tomorrow", release=Release(at=clock.now + timedelta(days=1)))
    assert titles(load("floods")) == titles(load()) == ["Out"]


def test_a_backdated_entry_is_ordered_by_its_date(load, newsroom, clock):
    newsroom.post(title="First")
    clock.forward(hours=1)
    newsroom.post(title="Second")
    clock.forward(hours=1)
    newsroom.post(title="Between", release=Release(at=START + timedelta(minutes=30)))
    newsroom.post(title="Same moment", release=Release(at=START + timedelta(minutes=30)))
    assert titles(load("floods")) == ["Second", "Same moment", "Between", "First"]


def test_the_window_holds_the_newest_by_date_and_what_no_archive_holds_yet(
    load, newsroom, clock, window
):
    assert MAX_ENTRIES == 50
    window(4)
    for title in "abcde":
        clock.forward(seconds=1)
        newsroom.post(title=title)
    imported = clock.forward(hours=1)
    for number in range(6):
        newsroom.post(
            title=f"Found {number}", release=Release(at=START - timedelta(days=4000 - number))
        )
    for slug in ("floods", None):
        document = load(slug)
        assert titles(document) == ["e", "d", "c", "b", "Found 5", "Found 4", "Found 3"]
        assert document.updated == imported, (
            "and its date is that of their coming out, not of what they bear"
        )


def test_an_old_entry_that_changed_comes_back_for_a_week(load, newsroom, clock, change, window):
    window(2)
    entry = newsroom.post(title="Old")
    clock.forward(minutes=1)
    newsroom.post(title="Second")
    newsroom.post(title="Third")
    assert titles(load("floods")) == ["Third", "Second"]
    changed = clock.forward(minutes=1)
    change(entry, title="Old, silently better")
    assert (titles(load("floods")), load("floods").valid_until) == (["Third", "Second"], None)
    change(entry, RevisionKind.UPDATE, title="Old, with news")
    document = load("floods")
    assert titles(document) == titles(load()) == ["Third", "Second", "Old, with news"]
    assert (document.updated, document.valid_until) == (changed, changed + timedelta(days=7))
    ended = clock.forward(days=7)
    document = load("floods")
    assert (titles(document), document.updated, document.changed) == (
        ["Third", "Second"],
        changed,
        ended,
    )


def test_older_entries_lie_in_archives_whose_boundaries_stay(load, newsroom, clock, change, window):
    window(3)
    posted = []

    def post(count):
        for _ in range(count):
            clock.forward(seconds=1)
            posted.append(newsroom.post(title=str(len(posted))))

    post(3)
    document = load("floods")
    assert (document.complete, document.previous_folder_url) == (True, None)
    post(4)
    document = load("floods")
    assert (titles(document), document.complete) == (["6", "5", "4"], False)
    newest = archive_of(document)
    older = load("floods", archive=newest)
    assert (titles(older), older.archive, older.current_folder_url) == (
        ["5", "4", "3"],
        True,
        f"{SITE}/streams/floods/",
    )
    oldest = load("floods", archive=archive_of(older))
    assert (titles(oldest), oldest.previous_folder_url, oldest.complete) == (
        ["2", "1", "0"],
        None,
        False,
    )
    post(2)
    assert archive_of(load("floods")) == newest, (
        "new entries move no boundary until a whole archive is full"
    )
    post(1)
    assert archive_of(load("floods")) != newest
    assert archive_of(load("floods", archive=archive_of(load("floods")))) == newest, (
        "and then the former newest is as it was"
    )
    assert titles(load(archive=archive_of(load()))) == ["8", "7", "6"]
    with pytest.raises(NotFound):
        load("floods", archive=Archive(0, newest.version))


def test_a_change_in_an_archive_gives_it_and_newer_ones_new_addresses(
    load, newsroom, clock, change, window
):
    window(2)
    posted = [newsroom.post(title=str(n)) for n in range(6)]
    newest = archive_of(load("floods"))
    oldest = archive_of(load("floods", archive=newest))
    clock.forward(seconds=1)
    change(posted[2], title="two")
    with pytest.raises(FeedMoved) as moved:
        load("floods", archive=newest)
    assert moved.value.topic.archive == archive_of(load("floods")) != newest
    assert titles(load("floods", archive=archive_of(load("floods")))) == ["3", "two"]
    assert titles(load("floods", archive=oldest)) == ["1", "0"], "older ones stay"
    clock.forward(seconds=1)
    change(posted[0], RevisionKind.RETRACTION)
    assert titles(
        load("floods", archive=archive_of(load("floods", archive=archive_of(load("floods")))))
    ) == ["1"]


def test_key_entries_have_a_feed_of_their_own(load, newsroom):
    for title, importance in [
        ("a", Importance.NORMAL),
        ("b", Importance.KEY),
        ("c", Importance.BREAKING),
    ]:
        newsroom.post(title=title, importance=importance)
    document = load("floods", flavour=Flavour.KEY)
    assert (document.title, document.folder_url) == (
        "The floods – Key and breaking updates",
        f"{SITE}/streams/floods/key/",
    )
    assert (titles(document), document.id != load("floods").id, document.complete) == (
        ["c", "b"],
        True,
        True,
    )
    assert titles(load(flavour=Flavour.KEY)) == ["c", "b"]


def test_the_feed_for_chat_bots_tells_each_entry_once(load, newsroom, clock, change, window):
    window(3)
    for alerts, age in (
        (True, timedelta(days=400)),
        (True, timedelta(hours=25)),
        (False, timedelta(minutes=1)),
    ):
        newsroom.post(title="No news", release=Release(alerts=alerts, at=START - age))
    assert load("floods", flavour=Flavour.NEW).entries == (), (
        "what was imported is announced to nobody"
    )
    first = newsroom.post(title="Imported", release=Release(at=START - timedelta(hours=23)))
    assert load("floods", flavour=Flavour.NEW).updated == START, (
        "a feed is never older than what it shows"
    )
    out = clock.forward(minutes=1)
    wrong = newsroom.post(title="Wrong")
    newsroom.post(title="Third")
    clock.forward(minutes=1)
    change(first, RevisionKind.CORRECTION, "A typo.", title="Imported.")
    change(wrong, RevisionKind.RETRACTION)
    document = load("floods", flavour=Flavour.NEW)
    dated = [(entry.title, entry.published, entry.updated) for entry in document.entries]
    assert dated == [("Third", out, out), ("Imported.", START, START)]
    assert (document.tombstones, document.complete, document.previous_folder_url) == (
        (),
        False,
        None,
    )
    newsroom.post(title="Fourth")
    assert titles(load("floods", flavour=Flavour.NEW)) == [
        "Fourth",
        "Third",
    ], "no older entry takes the place of a withdrawn one"


def test_tags_and_contributors_have_feeds_across_streams(load, newsroom):
    newsroom.stream("ice")
    newsroom.post("ice", "a", byline=("Ines",), tags=("Évacuation",))
    newsroom.post("floods", "b", byline=("Ines", "Jory"), tags=("évacuation", "dykes"))
    newsroom.post("floods", "c", byline=("Jory",))
    document = load(scope=Scope.TAG, name="évacuation")
    assert (titles(document), document.title) == (["b", "a"], "Courier: évacuation")
    assert document.folder_url == f"{SITE}/tags/%C3%A9vacuation/"
    document = load(scope=Scope.CONTRIBUTOR, name="ines")
    assert (titles(document), document.title, document.page_url) == (
        ["b", "a"],
        "Courier: Ines",
        f"{SITE}/contributors/ines",
    )
    for scope in (Scope.TAG, Scope.CONTRIBUTOR):
        with pytest.raises(NotFound):
            load(scope=scope, name="nobody")


def test_a_stream_may_give_summaries_only(load, newsroom):
    newsroom.post(title="Told", dek="In a sentence.", body="At *length*.")
    newsroom.post(title="Untold", body="It was long, " + "very " * 100 + "long.")
    with newsroom.db.begin() as tx:
        tx.scalars(select(Stream)).one().feed_text = FeedText.SUMMARY
    untold, told = load("floods").entries
    assert (told.dek, told.content_html, untold.content_html) == ("In a sentence.", "", "")
    assert (
        untold.dek.startswith("It was long, very")
        and untold.dek.endswith("very …")
        and len(untold.dek) <= 302
    )


def test_a_silent_edit_changes_the_text_and_last_modified_but_not_updated(
    load, newsroom, clock, change
):
    entry = newsroom.post()
    clock.forward(minutes=5)
    change(entry, title="River is rising")
    document = load("floods")
    assert (titles(document), document.entries[0].updated, document.updated) == (
        ["River is rising"],
        START,
        START,
    )
    assert document.changed == START + timedelta(minutes=5)
    assert load().changed == START + timedelta(minutes=5)


@pytest.mark.parametrize("kind", [RevisionKind.UPDATE, RevisionKind.CORRECTION])
def test_an_update_or_correction_moves_updated_and_never_published(
    load, newsroom, clock, change, kind
):
    entry = newsroom.post()
    later = clock.forward(minutes=5)
    change(entry, kind, title="New words")
    document = load("floods")
    (found,) = document.entries
    assert (found.id, found.title, found.published, found.updated) == (
        entry.guid,
        "New words",
        START,
        later,
    )
    assert document.updated == load().updated == later


def test_the_latest_notes_of_a_correction_and_an_update_stay_until_the_end(
    load, newsroom, clock, change
):
    entry = newsroom.post()
    change(entry, RevisionKind.CORRECTION, "It was the other bank.", title="A")
    assert load("floods").entries[0].notes == (Note("Correction", "It was the other bank."),)
    change(entry, RevisionKind.CORRECTION, "It was both banks.", title="B")
    change(entry, RevisionKind.CORRECTION, "", title="C")
    change(entry, RevisionKind.UPDATE, "More people.", title="D")
    assert load("floods").entries[0].notes == (
        Note("Correction", "It was both banks."),
        Note("Update", "More people."),
    )
    change(entry, RevisionKind.CORRECTION, "No, the other one.", title="E")
    assert load("floods").entries[0].notes == (
        Note("Update", "More people."),
        Note("Correction", "No, the other one."),
    )


def test_a_correction_that_waits_or_was_undone_is_nowhere(load, newsroom, clock, change):
    entry = newsroom.post()
    change(entry, RevisionKind.CORRECTION, "Wrong bank.", title="New words", delay=HELD)
    before = load("floods")
    assert (titles(before), before.entries[0].notes) == (["River rising"], ())
    undo(newsroom.db, newsroom.actor, entry.uid, newsroom.entry(entry.uid).version)
    assert load("floods").entries == before.entries
    change(entry, RevisionKind.CORRECTION, "Wrong bank.", title="New words", delay=HELD)
    apply_now(newsroom.db, newsroom.actor, entry.uid, newsroom.entry(entry.uid).version)
    assert load("floods").entries[0].notes == (Note("Correction", "Wrong bank."),)


def test_a_retracted_entry_leaves_and_no_date_of_the_feed_goes_back(load, newsroom, clock, change):
    newsroom.post(title="Older")
    published = clock.forward(minutes=5)
    entry = newsroom.post(title="Wrong")
    retracted = clock.forward(minutes=5)
    change(entry, RevisionKind.RETRACTION, delay=HELD)  # hides at once
    assert (titles(load("floods")), load("floods").updated) == (["Older"], published)
    apply_now(newsroom.db, newsroom.actor, entry.uid, newsroom.entry(entry.uid).version)
    document = load("floods")
    assert (titles(document), document.updated, document.changed) == (
        ["Retracted", "Older"],
        retracted,
        retracted,
    )
    assert (titles(load()), load().updated) == (["Retracted", "Older"], retracted)
    change(entry, RevisionKind.RESTORE)
    document = load("floods")
    assert (titles(document), document.tombstones) == (["Wrong", "Older"], ())
    # A processor that met the tombstone keeps an entry deleted that is not newer (RFC 6721 section
    # 3).
    assert (
        document.entries[0].updated
        == document.updated
        == load().updated
        == retracted + timedelta(seconds=1)
    )


def test_a_withdrawn_entry_is_marked_for_a_week_and_a_tombstone_for_a_month(
    load, newsroom, clock, change
):
    entry = newsroom.post(
        title="Wrong", dek="A lie", body="A lie", byline=("Ines",), tags=("lies",)
    )
    when = clock.forward(minutes=5)
    change(entry, RevisionKind.RETRACTION, "We were misled.")
    document = load("floods")
    for elsewhere in (
        load(scope=Scope.TAG, name="lies"),
        load(scope=Scope.CONTRIBUTOR, name="ines"),
    ):
        assert (elsewhere.entries, elsewhere.tombstones) == (document.entries, document.tombstones)
    (stub,) = document.entries
    assert (stub.id, stub.title, stub.dek, stub.published, stub.updated) == (
        entry.guid,
        "Retracted",
        "We were misled.",
        START,
        when,
    )
    assert (stub.content_html, stub.authors, stub.tags) == ("", (), ())
    assert (document.tombstones, document.valid_until) == (
        (Tombstone(entry.guid, when, "We were misled."),),
        when + timedelta(days=7),
    )
    clock.forward(days=7)
    document = load("floods")
    assert (document.entries, len(document.tombstones), document.valid_until) == (
        (),
        1,
        when + timedelta(days=30),
    )
    assert document.changed == when + timedelta(days=7)
    clock.forward(days=23)
    document = load("floods")
    assert (document.tombstones, document.updated, document.changed, document.valid_until) == (
        (),
        when,
        when + timedelta(days=30),
        None,
    )


def test_all_streams_hold_the_public_ones_only(load, newsroom, clock):
    newsroom.stream("ice", language="uk")
    for slug, state in [
        ("secret", StreamState.HIDDEN),
        ("old", StreamState.ENDED),
        ("gone", StreamState.DELETED),
    ]:
        newsroom.stream(slug)
        newsroom.post(slug, title=slug)
        set_stream_state(newsroom.db, newsroom.actor, slug, state)
    newsroom.post(title="floods")
    newsroom.post("ice", title="ice")
    document = load()
    assert (document.title, document.language, document.page_url) == (
        "Courier",
        "en",
        "https://news.example.org/",
    )
    assert [(entry.title, entry.language) for entry in document.entries] == [
        ("ice", "uk"),
        ("floods", "en"),
        ("old", "en"),
    ]
    assert [
        source.title for source in sorted(document.sources, key=lambda source: source.title)
    ] == ["The floods", "The ice", "The old"]


@pytest.mark.parametrize(
    ("state", "error"), [(StreamState.HIDDEN, NotFound), (StreamState.DELETED, Gone)]
)
def test_a_hidden_stream_is_not_there_and_a_deleted_one_is_gone(load, newsroom, state, error):
    set_stream_state(newsroom.db, newsroom.actor, "floods", state)
    with pytest.raises(error):
        load("floods")


def test_an_unknown_stream_is_not_there(load):
    with pytest.raises(NotFound):
        load("nowhere")


def test_copies_stay_fresh_for_longer_the_quieter_the_stream(load, newsroom, clock):
    assert (load("floods").max_age, load().max_age) == (60, 60)
    clock.forward(hours=25)
    mark_idle_streams_quiet(newsroom.db)
    assert (load("floods").max_age, load().max_age) == (900, 900)
    set_stream_state(newsroom.db, newsroom.actor, "floods", StreamState.ENDED)
    assert (load("floods").max_age, load().max_age) == (
        900,
        900,
    ), "what is withdrawn there must leave caches soon, too"


def test_the_feed_of_all_streams_keeps_its_id_wherever_the_site_moves(db, newsroom):
    def guid(base_url):
        return FeedLoader(db, Settings(base_url=base_url)).load(FeedTopic()).id

    assert (
        guid("https://news.example.org")
        == guid("http://127.0.0.1:8000")
        == "tag:news.example.org,2026-03-14:all"
    )


def test_a_site_without_a_public_name_has_a_urn_for_all_streams(db):
    ensure_site(db, id_authority="", base_url="http://127.0.0.1:8000")
    first = FeedLoader(db, Settings()).load(FeedTopic())
    assert first.id.startswith("urn:uuid:")
    assert FeedLoader(db, Settings()).load(FeedTopic()).id == first.id
    with db.read() as tx:
        assert first.updated == first.changed == tx.scalars(select(Site)).one().created_at
    assert json.loads(render(first, Format.JSON))["items"] == []


def test_the_number_of_queries_does_not_grow_with_the_entries(load, newsroom, clock, change):
    statements = []

    def counted(slug=None):
        statements.clear()
        load(slug)
        return len(statements)

    def post(count):
        for n in range(count):
            byline = (f"Writer {n}", f"Second {n}")
            shown = (
                PictureText(newsroom.picture(photo(form="PNG", ground=f"#{n:06x}")), "A wall"),
            )
            entry = newsroom.post(title=str(n), byline=byline, tags=(f"tag {n}",))
            change(
                entry,
                RevisionKind.CORRECTION,
                "Wrong.",
                title=f"{n}.",
                byline=byline,
                tags=(f"tag {n}",),
                pictures=shown,
            )

    newsroom.stream("ice", contributors=("Ines",))
    event.listen(
        newsroom.db.engine, "before_cursor_execute", lambda *args: statements.append(args[2])
    )
    post(1)
    few = counted("floods"), counted()
    post(9)
    assert (counted("floods"), counted()) == few
    assert max(few) <= 13


@pytest.mark.parametrize("fmt", list(Format))
def test_the_same_tables_give_the_same_bytes_whenever_they_are_read(load, newsroom, clock, fmt):
    newsroom.post(dek="Dek", body="Body", byline=("Ines",), tags=("a", "b"))
    first = render(load("floods"), fmt)
    clock.forward(days=3)
    assert render(load("floods"), fmt) == first
