"""What is typed is kept on the server, looks there as it will, and is offered again."""

import re

from sqlalchemy import event
from werkzeug.test import TestResponse

from config.keys import Keys
from models import EntryState
from models.publishing.posting import save_draft
from models.recipients.audience import ChannelTarget, add_channel, add_subscriber
from models.streams.autosave import MAX_AUTOSAVE_CHARS
from models.text.texts import EntryText
from tests.support.clock import StandingClock
from tests.support.databases import both_databases
from tests.support.newsroom import Newsroom
from tests.support.web_person import Person, titles

pytestmark = both_databases


def type_into(person: Person, page: TestResponse, **changed: str) -> TestResponse:
    """What the page's script sends while somebody types."""
    fields = person.form(page)[1] | {"typed": "yes"} | changed
    answer = person.post("/desk/preview", fields)
    assert answer.status_code == 200, answer.text
    return answer


def words(answer: TestResponse) -> str:
    """What a fragment says."""
    return " ".join(re.sub(r"<[^>]*>", "", answer.text).split())


def test_what_was_typed_is_offered_again_and_goes_once_it_was_sent(
    newsroom: Newsroom, editor: Person, author: Person
) -> None:
    page = editor.get("/desk/post")
    assert "Draft saved 08:00" in words(
        type_into(editor, page, stream="floods", title="River", tags="Rain", at="2026-03-14T12:00")
    )
    assert not titles(newsroom), "it is no entry"
    offered = editor.get("/desk/post")
    link = re.search(r'href="(/desk/post\?kept=\w+)">River<', offered.text)
    assert link and "River" in editor.get("/desk").text
    assert "River" not in author.get("/desk/post").text, "it is nobody else's"
    again = editor.get(link[1])
    fields = editor.form(again)[1]
    assert (fields["title"], fields["tags"], fields["at"]) == ("River", "Rain", "2026-03-14T12:00")
    assert editor.send(again, do="post").status_code == 303
    assert "River<" not in editor.get("/desk/post").text
    late = type_into(editor, page, title="Riv", stream="floods")
    assert "This was already submitted" in words(late), "a request that was slower keeps nothing"


def test_a_change_to_a_published_entry_is_autosaved_beside_it(
    newsroom: Newsroom, editor: Person, reader: Person
) -> None:
    uid = newsroom.post(title="Rivr").uid
    type_into(
        editor,
        editor.get(f"/desk/entries/{uid}/edit"),
        title="River",
        kind="update",
        note="Six metres",
    )
    assert (
        newsroom.entry(uid).title == "Rivr"
        and "Rivr" in reader.get(f"/streams/floods/entries/{uid}").text
    )
    assert f"/desk/entries/{uid}/edit?kept=1" in editor.get(f"/desk/entries/{uid}/edit").text
    fields = editor.form(editor.get(f"/desk/entries/{uid}/edit?kept=1"))[1]
    assert (fields["title"], fields["kind"], fields["note"]) == ("River", "update", "Six metres")


def test_an_autosave_of_an_older_version_shows_both_texts(
    newsroom: Newsroom, editor: Person
) -> None:
    uid = editor.uid(editor.write(do="draft", body="One."))
    type_into(editor, editor.get(f"/desk/entries/{uid}/edit"), title="Mine")
    save_draft(
        newsroom.db,
        newsroom.actor,
        uid,
        newsroom.entry(uid).version,
        EntryText("Theirs", body="Two."),
    )
    page = editor.get(f"/desk/entries/{uid}/edit?kept=1")
    assert (
        "<del>Theirs</del> <ins>Mine</ins>" in page.text
        and "<del>Two</del> <ins>One</ins>" in page.text
    )
    assert editor.send(page, do="draft").status_code == 303
    assert newsroom.entry(uid).title == "Mine"


def test_two_windows_with_different_texts_are_warned(editor: Person, clock: StandingClock) -> None:
    page = editor.get("/desk/post")
    type_into(editor, page, stream="floods", title="Mine", window="one")
    clock.forward(minutes=1)
    refused = type_into(editor, page, stream="floods", title="Other", window="two")
    assert "You saved a different version in another window at 08:00" in words(refused)
    assert ">Mine<" in editor.get("/desk/post").text
    seen = re.search(r'"seen": "([^"]+)"', refused.text)
    assert seen
    assert "Draft saved 08:01" in words(
        type_into(editor, page, stream="floods", title="Other", window="two", seen=seen[1])
    )


def test_a_look_shows_what_each_will_really_get(
    newsroom: Newsroom, editor: Person, keys: Keys
) -> None:
    add_subscriber(newsroom.db, newsroom.actor, "reader@example.org")
    add_channel(
        newsroom.db,
        newsroom.actor,
        keys,
        "Room",
        ChannelTarget("ntfys://ntfy.example.org/topic", "ntfy", "ntfy …"),
    )
    page = editor.get("/desk/post")
    shown = type_into(
        editor,
        page,
        stream="floods",
        title="River",
        dek="Six metres",
        body="**Now**",
        importance="breaking",
    )
    said = words(shown)
    assert "2 recipients" in said and "1 by e-mail, 1 channel" in said
    assert "ntfy, Room Breaking: River Six metres" in said and "<strong>Now</strong>" in shown.text
    frame = re.search(r'<iframe[^>]* src="([^"?]+)', shown.text)
    assert frame
    mail = editor.get(frame[1])
    assert "Six metres" in mail.text and "sandbox" in mail.headers["Content-Security-Policy"]
    assert "No one will be alerted" in words(
        type_into(editor, page, stream="floods", title="River", alert="nobody")
    )


def test_without_script_the_preview_keeps_and_shows_the_same(editor: Person) -> None:
    page = editor.write(do="preview", title="River")
    assert 'id="preview-h">Preview<' in page.text and "Draft saved" in page.text
    assert ">River<" in editor.get("/desk/post").text


def test_an_unfinished_text_can_be_dropped(editor: Person) -> None:
    type_into(editor, editor.get("/desk/post"), stream="floods", title="River")
    page = editor.get("/desk/post")
    place = re.search(r"/desk/kept/\w+/drop", page.text)
    assert place and editor.send(page, place[0]).status_code == 303
    assert "/drop" not in editor.get("/desk/post").text


def test_a_text_too_long_to_autosave_is_reported(editor: Person) -> None:
    answer = type_into(
        editor,
        editor.get("/desk/post"),
        stream="floods",
        title="T",
        body="x" * (MAX_AUTOSAVE_CHARS + 1),
    )
    assert "Not saved" in words(answer)


def test_the_number_of_queries_of_a_look_does_not_grow_with_channels(
    newsroom: Newsroom, editor: Person, keys: Keys
) -> None:
    page, seen, counts = editor.get("/desk/post"), list[str](), []
    note = lambda *args: seen.append(args[2])  # noqa: E731
    event.listen(newsroom.db.engine, "before_cursor_execute", note)
    for number in range(3):
        add_channel(
            newsroom.db,
            newsroom.actor,
            keys,
            f"Room {number}",
            ChannelTarget("ntfys://ntfy.example.org/topic", "ntfy", "ntfy …"),
        )
        seen.clear()
        type_into(editor, page, stream="floods", title="River", tags=f"t{number}")
        counts.append(len(seen))
    event.remove(newsroom.db.engine, "before_cursor_execute", note)
    assert counts[1] == counts[2] <= 12, seen


def test_people_are_suggested_with_what_the_form_is_to_send(
    newsroom: Newsroom, author: Person
) -> None:
    newsroom.post(byline=("Pell, Jory", "Mara Eskelund"))
    assert author.get("/desk/people?q=jo&stream=floods").json == [
        {"name": "Pell, Jory", "value": "pell-jory", "hint": "in 1 entry of this story"}
    ]
    assert author.get("/desk/people?q=").json == []


def test_an_entry_can_be_retracted_from_its_form(newsroom: Newsroom, editor: Person) -> None:
    uid = newsroom.post(title="Wrong").uid
    assert (
        editor.send(
            editor.get(f"/desk/entries/{uid}/edit"), kind="retraction", note="It was.", do="save"
        ).status_code
        == 303
    )
    assert newsroom.entry(uid).state is EntryState.RETRACTED
