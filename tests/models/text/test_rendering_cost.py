"""Rendering costs a fixed amount a character, whatever an editor types, and nothing of it under a
lock.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import event

from models.publishing.posting import Release, add_entry, post_draft, save_draft
from models.publishing.revising import Change, RevisionKind, revise
from models.streams.streams import StreamText, add_stream, edit_stream
from models.text import markdown_parser
from models.text.errors import Invalid
from models.text.markdown import to_html
from models.text.markdown_parser import MAX_LINK_CHARACTERS, MAX_NESTING, MAX_TABLE_COLUMNS
from models.text.texts import MAX_BODY_CHARS, EntryText
from tests.support.hostile_texts import SHAPES, STAIRS
from tests.support.newsroom import Newsroom


def steps(work: Callable[[], Any]) -> int | None:
    """Lines of Python that ``work`` runs, which no load of the machine changes; None where it
    refuses.
    """
    count = 0

    def line(frame: FrameType, kind: str, arg: Any) -> Any:
        nonlocal count
        count += 1
        return line

    former = sys.gettrace()
    sys.settrace(line)
    try:
        work()
    except Invalid:
        return None
    finally:
        sys.settrace(former)
    return count


@pytest.mark.parametrize("name", SHAPES)
def test_a_text_of_twice_the_length_costs_twice_as_much(name: str) -> None:
    few, many = (
        steps(lambda n=n: to_html.__wrapped__(SHAPES[name](n).strip())) for n in (800, 1_600)
    )
    assert few is None or many is None or many < 2.2 * few + 2_000


@pytest.mark.parametrize(
    "name", ["opening brackets", "points", "quotation continued", "table of short rows", *STAIRS]
)
def test_the_longest_text_is_rendered_or_refused_for_a_bounded_cost(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(markdown_parser, "MAX_STEPS", 5_000)  # a tenth, to be quick
    text = {**SHAPES, **STAIRS}[name](MAX_BODY_CHARS)[:MAX_BODY_CHARS].strip()
    calls = 0

    def call(frame: FrameType, kind: str, arg: Any) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(call)
    try:
        html = to_html.__wrapped__(text)
    except Invalid as refused:
        assert refused.field == "body" and refused.reason.endswith(".")
        html = ""
    finally:
        sys.setprofile(None)
    assert calls < 150 * 5_000 + 50 * MAX_BODY_CHARS
    assert len(html) < 20 * MAX_BODY_CHARS


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("[" * MAX_BODY_CHARS, "fewer lines and links"),
        ("a\n\n" * (MAX_BODY_CHARS // 3), "fewer lines"),
        ("> " * (MAX_NESTING + 1) + "a", "fewer levels"),
        ("- " * (MAX_NESTING // 2 + 1) + "a", "at most 6"),
        (
            "|".join("a" * (MAX_TABLE_COLUMNS + 1))
            + "\n"
            + "|".join("-" * (MAX_TABLE_COLUMNS + 1)),
            "at most 30 columns",
        ),
        (
            "[1]: https://example.org/"
            + "a" * 50_000
            + "\n\n"
            + "[1] " * (MAX_LINK_CHARACTERS // 50_000 + 1),
            "long addresses less often",
        ),
    ],
)
def test_what_costs_too_much_is_refused_with_what_to_change(body: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        EntryText("t", body=body).cleaned()
    assert caught.value.field == "body" and says in caught.value.reason
    with pytest.raises(Invalid) as caught:
        to_html(body, "overview")
    assert caught.value.field == "overview"


def test_what_is_nested_as_deep_as_may_be_is_shown_whole() -> None:
    assert "innermost" in to_html("- " * (MAX_NESTING // 2) + "innermost")
    assert "innermost" in to_html("> " * MAX_NESTING + "innermost")


def test_a_long_text_of_a_usual_kind_is_taken() -> None:
    part = (
        "The **river** rose, [the agency](https://example.org/a_b) said.\nPeople *left*: it's"
        ' "well-known".\n\n- papers\n\n'
    )
    assert to_html(part * (MAX_BODY_CHARS // len(part)))


def test_nothing_is_rendered_within_a_transaction(
    newsroom: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every change of a text by every way that there is, with a parser that looks whether a
    transaction is open.
    """
    inside = False
    rendered = []
    engine = newsroom.db.engine

    def begun(*_: Any) -> None:
        nonlocal inside
        inside = True

    def ended(*_: Any) -> None:
        nonlocal inside
        inside = False

    event.listen(engine, "begin", begun)
    event.listen(engine, "commit", ended)
    event.listen(engine, "rollback", ended)

    def watched(text: str, field: str = "body") -> str:
        rendered.append((text, inside))
        return to_html.__wrapped__(text, field)

    monkeypatch.setattr("models.text.texts.to_html", watched)
    monkeypatch.setattr("models.streams.streams.to_html", watched)
    db, actor = newsroom.db, newsroom.actor
    add_stream(db, actor, "slow", StreamText("Slow", overview="stream added"))
    edit_stream(db, actor, "slow", StreamText("Slow", overview="stream edited"))
    entry = add_entry(db, actor, "slow", EntryText("t", body="added"), None)
    entry = save_draft(db, actor, entry.uid, entry.version, EntryText("t", body="saved"))
    entry = post_draft(
        db, actor, entry.uid, entry.version, EntryText("t", body="posted"), Release()
    )
    revise(
        db,
        actor,
        entry.uid,
        entry.version,
        EntryText("t", body="revised"),
        Change(RevisionKind.SILENT),
    )
    assert [text for text, _ in rendered] == [
        "stream added",
        "stream edited",
        "added",
        "saved",
        "posted",
        "revised",
    ]
    assert not any(within for _, within in rendered)
