"""Feeds of entries that were posted, revised and retracted, for the rules of each format."""

from itertools import product

import pytest

from config.settings import Settings
from feeds.document.feed_address import FeedTopic, Flavour, Scope, parse_feed_path
from feeds.document.feed_document import Format
from feeds.document.load import FeedLoader
from models import Importance, RevisionKind
from models.publishing.revising import Change, retract, revise
from models.text.texts import EntryText


def topics(loader):
    """Every flavour of every scope, and the archive before each."""
    scopes = {
        Scope.SITE: "",
        Scope.STREAM: "floods",
        Scope.TAG: "the-flats",
        Scope.CONTRIBUTOR: "ines",
    }
    for scope, flavour in product(scopes, Flavour):
        topic = FeedTopic(scope, scopes[scope], flavour)
        yield topic
        older = loader.load(topic).previous_url(Format.ATOM)
        if older:
            yield parse_feed_path(older.removeprefix("https://news.example.org"))[0]


@pytest.fixture
def stored_documents(monkeypatch, sqlite_newsroom, clock):
    """Documents by topic, loaded from the tables of a newsroom."""
    newsroom = sqlite_newsroom
    monkeypatch.setattr("feeds.document.load.MAX_ENTRIES", 3)
    newsroom.stream("ice", title="Ice ]]>", language="uk")
    text = {
        "title": "1 < 2 & <b>",
        "body": "[a](/b)",
        "byline": ("Ines", "Jory"),
        "tags": ("The Flats",),
        "importance": Importance.KEY,
    }
    posts = [
        newsroom.post("ice" if number % 3 == 1 else "floods", dek="Dek" * (number % 2), **text)
        for number in range(10)
    ]
    clock.forward(minutes=1)
    correction = Change(RevisionKind.CORRECTION, "Not <so>")
    corrected = EntryText(**text)
    revise(newsroom.db, newsroom.actor, posts[8].uid, posts[8].version, corrected, correction)
    retraction = Change(RevisionKind.RETRACTION, "Wrong")
    retract(newsroom.db, newsroom.actor, posts[0].uid, posts[0].version, retraction)
    settings = Settings(
        base_url="https://news.example.org", site_name="Courier", site_language="en"
    )
    loader = FeedLoader(newsroom.db, settings)
    assert loader.load(FeedTopic()).tombstones
    assert loader.load(FeedTopic()).previous_folder_url
    documents = {topic: loader.load(topic) for topic in topics(loader)}
    assert len(documents) > 16
    return documents
