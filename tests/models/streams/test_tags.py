"""Tags that differ have slugs that differ, and a filter is never emptied."""

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import select

from models import Cadence, Importance, SubscriptionTag
from models.recipients.audience import ChannelTarget, add_channel
from models.recipients.preferences import Follow
from models.streams.contributors import resolve_contributors
from models.text.errors import Invalid
from models.text.texts import EntryText, is_slug_text, slugify, tag_slug

# Devanagari words that differ in their marks only (UAX #31: Mn and Mc are in XID_Continue).
MARKED = ("\u0915\u0940", "\u0915\u093e", "\u0915\u0947")
FLAGS = ("\U0001f1fa\U0001f1e6", "\U0001f1f7\U0001f1fa")
WITHOUT_WORDS = (
    "\U0001f30a",
    "..",
    *FLAGS,
    "\u2764\ufe0f",
    "\u0301",
    "\u3164",
    "!!!",
    "\u200b",
    "+",
)


@pytest.mark.parametrize(
    "labels",
    [
        ("C", "C++", "C#"),
        ("A+", "A-", "A"),
        ("+1", "-1", "1"),
        MARKED,
        ("F", "F#"),
        ("Notepad", "Notepad++"),
        ("O", "O\u2212"),
    ],
)
def test_tags_that_differ_are_stored_with_distinct_slugs(newsroom, labels):
    entry = newsroom.entry(newsroom.post(tags=labels).uid)
    assert tuple(tag.label for tag in entry.tags) == labels
    assert len({tag.slug for tag in entry.tags}) == len(labels)
    assert all(is_slug_text(tag.slug) for tag in entry.tags)


@pytest.mark.parametrize(
    ("label", "slug"),
    [
        ("River Level!", "river-level"),
        ("#flood", "flood"),
        ("\U0001f30a floods", "floods"),
        ("Ober- und Unterstadt", "ober-und-unterstadt"),
        ("Q&A", "q-a"),
        ("a_b--c", "a-b-c"),
        ("\u041f\u043e\u0442\u043e\u043f 2026", "\u043f\u043e\u0442\u043e\u043f-2026"),
        ("C++", "c-plus-plus"),
        ("c#", "c-sharp"),
        ("-1", "minus-1"),
    ],
)
def test_other_tags_keep_the_slug_that_they_had(label, slug):
    assert tag_slug(label) == slug


@given(st.text(max_size=20))
def test_a_slug_is_made_of_words_and_stays_as_it_is(label):
    slug = tag_slug(label)
    assert tag_slug(slug) == slug
    assert slugify(slugify(label)) == slugify(label)
    assert (is_slug_text(slug) and all(slug.split("-"))) or not slug
    if any(char.isalnum() for char in unicodedata.normalize("NFC", label)):
        # fillers
        assume(
            "\u3164" not in label
            and "\uffa0" not in label
            and "\u115f" not in label
            and "\u1160" not in label
        )
        assert slug


@given(st.lists(st.text(min_size=1, max_size=8), max_size=6))
def test_no_tag_of_an_entry_vanishes(labels):
    try:
        tags = EntryText("River rising", tags=tuple(labels)).cleaned().tags
    except Invalid as error:
        assert error.field == "tags"
        return
    kept = {" ".join(tag.casefold().split()) for tag in tags}
    for label in labels:
        shown = " ".join(unicodedata.normalize("NFC", label).split())
        assert not shown or shown.casefold() in kept


@pytest.mark.parametrize("label", WITHOUT_WORDS)
def test_a_tag_without_a_letter_or_digit_is_refused_at_every_door(db, newsroom, keys, label):
    with pytest.raises(Invalid, match="no letter or digit"):
        newsroom.post(tags=("floods", label))
    with pytest.raises(Invalid, match="no letter or digit"):
        Follow(tags=(label,)).cleaned()
    target = ChannelTarget("json://192.0.2.1/", "webhook", "json://...")
    with pytest.raises(Invalid, match="no letter or digit"):
        add_channel(db, newsroom.actor, keys, "hook", target, tags=("floods", label))
    with db.read() as tx:
        assert tx.scalar(select(SubscriptionTag)) is None


def test_a_filter_of_nothing_is_not_a_filter_of_everything():
    for tags in (("",), ("  ",), ("floods", "")):
        with pytest.raises(Invalid, match="no letter or digit"):
            Follow(tags=tags).cleaned()


def test_tags_that_would_share_a_page_are_refused_together():
    with pytest.raises(Invalid, match="'River level' and 'River-Level' would have the same page"):
        EntryText("River rising", tags=("River level", "River-Level")).cleaned()


def test_a_filter_may_name_a_tag_by_its_label_or_its_slug(db, newsroom):
    assert Follow(tags=("C++", "c-plus-plus")).cleaned().tags == ("c-plus-plus",)
    assert Follow(least_importance=Importance.KEY).cleaned().rhythm.cadence is Cadence.AT_ONCE


def test_names_and_tags_have_one_normal_form(db, newsroom):
    name = "Zo\u00eb Vale"
    decomposed = unicodedata.normalize("NFD", name)
    first = newsroom.entry(newsroom.post(byline=(name,), tags=("Caf\u00e9",)).uid)
    second = newsroom.entry(newsroom.post(byline=(decomposed,), tags=("Cafe\u0301",)).uid)
    assert [person.id for person in second.byline] == [person.id for person in first.byline]
    assert [tag.label for tag in second.tags] == ["Caf\u00e9"]
    with db.begin() as tx:
        first.byline[0].name = decomposed
        tx.merge(first.byline[0])
    with db.begin() as tx:
        assert [person.id for person in resolve_contributors(tx, [name])] == [first.byline[0].id]
