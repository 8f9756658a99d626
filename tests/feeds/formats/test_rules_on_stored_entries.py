"""The same rules over what the newsroom's tables hold, not only over documents made up for them."""

import json
from itertools import product

import pytest
from lxml import etree

from config.settings import Settings
from feeds.cache.renderer import Renderer
from feeds.document.feed_address import FeedTopic, Flavour, Scope, parse_feed_path
from feeds.document.feed_document import Format
from feeds.document.load import FeedLoader
from models import Importance, RevisionKind
from models.publishing.revising import Change, retract, revise
from models.text.texts import EntryText
from tests.feeds.formats import test_rules_atom, test_rules_json, test_rules_rss
from tests.support.broken_feeds import find

READ = {Format.ATOM: etree.fromstring, Format.RSS: etree.fromstring, Format.JSON: json.loads}
RULES = {
    Format.ATOM: test_rules_atom.RULES,
    Format.RSS: test_rules_rss.RULES,
    Format.JSON: test_rules_json.RULES,
}


def faults(tree, rules):
    """The rules that it breaks."""
    checks = [
        (rule, check if callable(check) else lambda tree, path=check: find(tree, path))
        for rule, check, _ in rules
    ]
    return [rule for rule, check in checks if check(tree)]


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


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_what_the_newsroom_holds_keeps_the_rules(monkeypatch, db, newsroom, clock):
    monkeypatch.setattr("feeds.document.load.MAX_ENTRIES", 3)
    newsroom.stream("ice", title="Ice ]]>", language="uk")
    said = {
        "title": "1 < 2 & <b>",
        "body": "[a](/b)",
        "byline": ("Ines", "Jory"),
        "tags": ("The Flats",),
        "importance": Importance.KEY,
    }
    posts = [
        newsroom.post("ice" if number % 3 == 1 else "floods", dek="Dek" * (number % 2), **said)
        for number in range(10)
    ]
    clock.forward(minutes=1)
    revise(
        db,
        newsroom.actor,
        posts[8].uid,
        posts[8].version,
        EntryText(**said),
        Change(RevisionKind.CORRECTION, "Not <so>"),
    )
    retract(
        db, newsroom.actor, posts[0].uid, posts[0].version, Change(RevisionKind.RETRACTION, "Wrong")
    )
    loader = FeedLoader(
        db, Settings(base_url="https://news.example.org", site_name="Courier", site_language="en")
    )
    assert loader.load(FeedTopic()).tombstones
    assert loader.load(FeedTopic()).previous_folder_url
    render, seen = Renderer(), 0
    for topic, fmt in product(topics(loader), Format):
        assert faults(READ[fmt](render(loader.load(topic), fmt)), RULES[fmt]) == [], (topic, fmt)
        seen += 1
    assert seen > 50
