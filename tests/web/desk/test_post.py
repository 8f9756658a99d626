"""The small form: from an empty field to an entry that is out."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from models import EntryState, FeedText, Importance, RevisionKind, Role, StreamState
from models.publishing.posting import save_draft
from models.publishing.publishing import publish_due
from models.publishing.revising import Change, restore, retract, revise
from models.recipients.audience import add_subscriber
from models.streams.streams import get_stream, set_stream_state
from models.text.texts import EntryText
from tests.support.clock import StandingClock
from tests.support.databases import both_databases
from tests.support.newsroom import Newsroom
from tests.support.web_person import Person, titles

pytestmark = both_databases


def test_a_post_waits_to_be_undone_and_then_goes_out(
    newsroom: Newsroom, editor: Person, reader: Person, clock: StandingClock
) -> None:
    answer = editor.write(
        dek="Six metres.",
        byline="Ines Valbrook, Jory Pell",
        body="**Now**",
        tags="Rain, Rivers",
        importance="key",
    )
    uid = editor.uid(answer)
    assert "Publishing <span" in editor.get(answer.location).text
    assert reader.get(f"/streams/floods/entries/{uid}").status_code == 404, (
        "nothing of it is anywhere"
    )
    clock.forward(seconds=10)
    assert publish_due(newsroom.db) == 1
    entry = newsroom.entry(uid)
    assert (entry.title, entry.dek, entry.importance, entry.alerts) == (
        "River rising",
        "Six metres.",
        Importance.KEY,
        True,
    )
    assert [person.name for person in entry.byline] == ["Ines Valbrook", "Jory Pell"]
    assert [tag.label for tag in entry.tags] == ["Rain", "Rivers"]
    page = reader.get(f"/streams/floods/entries/{uid}")
    assert page.status_code == 200 and "<strong>Now</strong>" in page.text
    assert "Published" in editor.get(answer.location).text


def test_undo_gives_the_draft_back(newsroom: Newsroom, editor: Person) -> None:
    answer = editor.write()
    undone = editor.send(editor.get(answer.location), f"{answer.location}/undo")
    assert undone.location == f"{answer.location}/edit"
    assert editor.form(editor.get(undone.location))[1]["title"] == "River rising"
    assert newsroom.entry(editor.uid(answer)).state is EntryState.DRAFT


def test_publish_now_ends_the_wait_and_rings(
    newsroom: Newsroom, editor: Person, rings: list[None]
) -> None:
    answer = editor.write()
    path, fields = editor.form(editor.get(answer.location), f"{answer.location}/undo")
    rings.clear()
    assert editor.post(path.replace("/undo", "/now"), fields).status_code == 303
    assert newsroom.entry(editor.uid(answer)).state is EntryState.PUBLISHED
    assert rings
    late = editor.post(path, fields)
    assert late.status_code == 409 and "You can retract it." in late.text


def test_a_double_tap_makes_one_entry(newsroom: Newsroom, editor: Person) -> None:
    page = editor.get("/desk/post")
    first, second = (
        editor.send(page, stream="floods", title="River rising", do="post") for _ in range(2)
    )
    assert editor.uid(first) == editor.uid(second)
    assert titles(newsroom) == ["River rising"]


@pytest.mark.parametrize(
    "kinds",
    [["update"], ["correction", "silent"], ["retraction"], ["retraction", "restore"]],
    ids=" ".join,
)
def test_a_post_that_is_sent_again_after_others_changed_the_entry_leads_to_it(
    newsroom: Newsroom, editor: Person, clock: StandingClock, kinds: list[str]
) -> None:
    page = editor.get("/desk/post")
    fields = {
        "stream": "floods",
        "title": "River rising",
        "byline": "Jory Pell",
        "body": "Six metres.",
        "do": "post",
    }
    uid = editor.uid(editor.send(page, **fields))
    clock.forward(seconds=10)
    assert publish_due(newsroom.db) == 1
    for kind in map(RevisionKind, kinds):
        version, change = newsroom.entry(uid).version, Change(kind, "It was not so.")
        if kind is RevisionKind.RETRACTION:
            retract(newsroom.db, newsroom.actor, uid, version, change)
        elif kind is RevisionKind.RESTORE:
            restore(newsroom.db, newsroom.actor, uid, version, change)
        else:
            revise(
                newsroom.db,
                newsroom.actor,
                uid,
                version,
                EntryText("River falling", byline=("Ines Valbrook",)),
                change,
            )
    before = newsroom.entry(uid)
    again = editor.send(page, **fields)  # as after an answer that never came
    assert again.status_code == 303 and editor.uid(again) == uid
    other = editor.send(page, **fields | {"title": "Another river"})
    assert other.status_code == 409 and "Another river" in other.text, (
        "what was typed since is not lost"
    )
    after = newsroom.entry(uid)
    assert (after.version, after.title, after.state) == (before.version, before.title, before.state)


def test_a_draft_that_is_posted_from_the_form_that_saved_it_is_posted(
    newsroom: Newsroom, editor: Person
) -> None:
    page = editor.get("/desk/post")
    uid = editor.uid(editor.send(page, stream="floods", title="River", do="draft"))
    assert newsroom.entry(uid).state is EntryState.DRAFT
    again = editor.send(page, stream="floods", title="River rising", byline="Jory Pell", do="post")
    assert editor.uid(again) == uid, "the browser's Back led to the same form"
    entry = newsroom.entry(uid)
    assert (entry.state, entry.title, entry.byline[0].name) == (
        EntryState.SCHEDULED,
        "River rising",
        "Jory Pell",
    )


def test_an_old_form_does_not_overwrite_what_came_of_it(newsroom: Newsroom, editor: Person) -> None:
    page = editor.get("/desk/post")
    uid = editor.uid(editor.send(page, stream="floods", title="River", do="draft"))
    save_draft(newsroom.db, newsroom.actor, uid, newsroom.entry(uid).version, EntryText("Theirs"))
    refused = editor.send(page, stream="floods", title="Mine", do="draft")
    assert refused.status_code == 409
    assert newsroom.entry(uid).title == "Theirs"


def test_a_form_that_is_sent_again_to_another_story_is_no_double_tap(
    newsroom: Newsroom, editor: Person
) -> None:
    newsroom.stream("drought")
    page = editor.get("/desk/post")
    wrong = editor.uid(editor.send(page, stream="floods", title="No rain", do="draft"))
    asked = editor.send(page, stream="drought", title="No rain", do="draft")
    assert asked.status_code == 409 and "The floods" in asked.text
    right = editor.uid(editor.send(asked, do="draft"))
    assert [newsroom.entry(uid).stream.slug for uid in (wrong, right)] == ["floods", "drought"]


def test_a_stale_text_is_shown_beside_the_current_one_and_either_can_be_saved(
    newsroom: Newsroom, editor: Person
) -> None:
    uid = editor.uid(editor.write(do="draft", body="One."))
    page = editor.get(f"/desk/entries/{uid}/edit")
    save_draft(
        newsroom.db,
        newsroom.actor,
        uid,
        newsroom.entry(uid).version,
        EntryText("Theirs", body="Two."),
    )
    refused = editor.send(page, title="Mine", do="draft")
    assert refused.status_code == 409
    assert (
        "<del>Theirs</del> <ins>Mine</ins>" in refused.text
        and "<del>Two</del> <ins>One</ins>." in refused.text
    )
    assert newsroom.entry(uid).title == "Theirs", "nothing was written"
    assert editor.send(refused, do="draft").status_code == 303
    assert newsroom.entry(uid).title == "Mine"


def test_a_rejected_form_comes_back_with_its_text_and_the_word_at_the_field(editor: Person) -> None:
    refused = editor.write(
        title=" ",
        dek="Kept",
        body="  two spaces\nand <b>",
        importance="breaking",
        alert="nobody",
        tags="a, b",
    )
    assert refused.status_code == 422
    fields = editor.form(refused)[1]
    assert (fields["dek"], fields["body"], fields["tags"]) == (
        "Kept",
        "  two spaces\nand <b>",
        "a, b",
    )
    assert (fields["importance"], fields["alert"], fields["stream"]) == (
        "breaking",
        "nobody",
        "floods",
    )
    assert 'aria-invalid="true" aria-describedby="title-w"' in refused.text
    assert '<span class="wrong" id="title-w">This can’t be empty.</span>' in refused.text


def test_a_text_that_begins_with_an_empty_line_survives_the_form(editor: Person) -> None:
    refused = editor.write(title="", body="\n\n    code")
    assert editor.form(refused)[1]["body"] == "\n\n    code"


def test_the_preview_shows_what_would_be_read_and_saves_nothing(
    newsroom: Newsroom, editor: Person
) -> None:
    add_subscriber(newsroom.db, newsroom.actor, "reader@example.org")
    page = editor.write(do="preview", body="**Now** <script>", byline="New Name")
    assert page.status_code == 200
    assert "<strong>Now</strong> &lt;script&gt;" in page.text
    assert "1 recipient" in page.text
    assert not titles(newsroom)
    assert editor.uid(editor.send(page, do="post")), "the preview's form can be posted"


@pytest.mark.parametrize(("importance", "followers", "above", "asked"), [
    ("breaking", 1, 1000, True), ("key", 1, 1000, False), ("normal", 3, 2, True),
    ("normal", 2, 2, False), ("breaking", 0, 1000, False),
])  # fmt: skip
def test_alerting_many_asks_for_confirmation(
    importance: str,
    followers: int,
    above: int,
    asked: bool,
    newsroom: Newsroom,
    editor: Person,
    change_settings: Callable[..., None],
) -> None:
    change_settings(confirm_above=above)
    for number in range(followers):
        add_subscriber(newsroom.db, newsroom.actor, f"reader{number}@example.org")
    answer = editor.write(importance=importance, body="Kept")
    if not asked:
        assert answer.status_code == 303
        return
    recipients = "1 recipient" if followers == 1 else f"{followers} recipients"
    assert (
        answer.status_code == 200
        and f"Alert {recipients} now?" in answer.text
        and f">Alert {recipients}</button>" in answer.text
    )
    assert not titles(newsroom)
    back = editor.send(answer, do="back", confirmed="")
    assert editor.form(back)[1]["body"] == "Kept"
    uid = editor.uid(editor.send(answer, do="post"))
    assert newsroom.entry(uid).body == "Kept"


def test_no_alert_is_sent_when_none_was_chosen(newsroom: Newsroom, editor: Person) -> None:
    add_subscriber(newsroom.db, newsroom.actor, "reader@example.org")
    uid = editor.uid(editor.write(importance="breaking", alert="nobody"))
    assert newsroom.entry(uid).alerts is False


def test_the_time_is_the_story_s(newsroom: Newsroom, editor: Person) -> None:
    newsroom.stream("kyiv", timezone="Europe/Kyiv")
    uid = editor.uid(editor.write(stream="kyiv", at="2026-03-14T12:00"))
    assert newsroom.entry(uid).publish_at == datetime(2026, 3, 14, 10, 0, tzinfo=UTC)
    assert editor.form(editor.get(f"/desk/entries/{uid}/edit"))[1]["at"] == "2026-03-14T12:00"
    refused = editor.write(stream="kyiv", at="2026-03-29T03:30")
    assert refused.status_code == 422
    assert (
        "03:30 does not exist in Europe/Kyiv that night, as the clocks go forward."
        " Choose 02:59 or 04:00." in refused.text
    )


def test_a_draft_keeps_its_publishing_time_and_alert_choice(
    newsroom: Newsroom, editor: Person
) -> None:
    uid = editor.uid(editor.write(do="draft", at="2026-03-14T12:00", alert="nobody"))
    fields = editor.form(editor.get(f"/desk/entries/{uid}/edit"))[1]
    assert (fields["at"], fields["alert"]) == ("2026-03-14T12:00", "nobody")


def test_an_ended_story_takes_no_entry_and_loses_no_text(
    newsroom: Newsroom, editor: Person
) -> None:
    newsroom.stream("other")
    set_stream_state(newsroom.db, newsroom.actor, "floods", StreamState.ENDED)
    refused = editor.write(title="Too late")
    assert refused.status_code == 409 and "has ended" in refused.text
    assert editor.form(refused)[1]["title"] == "Too late"


def test_an_author_submits_and_an_editor_publishes(
    newsroom: Newsroom, author: Person, editor: Person, clock: StandingClock
) -> None:
    uid = author.uid(author.write(at="2026-03-14T07:00", alert="nobody"))
    assert newsroom.entry(uid).state is EntryState.SUBMITTED
    assert "Publish" not in author.get(f"/desk/entries/{uid}").text
    assert "is waiting for review" in editor.get("/desk").text
    page = editor.get(f"/desk/entries/{uid}")
    assert editor.send(page, f"/desk/entries/{uid}/approve").status_code == 303
    clock.forward(seconds=10)
    publish_due(newsroom.db)
    entry = newsroom.entry(uid)
    assert (entry.state, entry.alerts) == (EntryState.PUBLISHED, False), "as its author wished"
    assert entry.published_at == datetime(2026, 3, 14, 7, 0, tzinfo=UTC)


def test_a_scheduled_entry_keeps_its_time_when_its_text_is_saved(
    newsroom: Newsroom, editor: Person
) -> None:
    uid = editor.uid(editor.write(at="2026-03-14T12:00"))
    assert (
        editor.send(
            editor.get(f"/desk/entries/{uid}/edit"), title="River falling", do="draft"
        ).status_code
        == 303
    )
    entry = newsroom.entry(uid)
    assert (entry.title, entry.state) == ("River falling", EntryState.SCHEDULED)
    assert entry.publish_at == datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


def test_names_with_commas_survive_the_form(newsroom: Newsroom, editor: Person) -> None:
    uid = newsroom.post(release=None, byline=("Pell, Jory", "Mara Eskelund")).uid
    assert editor.send(editor.get(f"/desk/entries/{uid}/edit"), do="draft").status_code == 303
    assert [person.name for person in newsroom.entry(uid).byline] == ["Pell, Jory", "Mara Eskelund"]


def test_a_scheduled_entry_without_a_worker_shows_a_warning(
    newsroom: Newsroom, editor: Person, clock: StandingClock
) -> None:
    answer = editor.write()
    assert 'http-equiv="refresh"' in editor.get(answer.location).text, (
        "without script the page asks again by itself"
    )
    clock.forward(seconds=60)
    page = editor.get(answer.location).text
    assert "Nothing is processing the queue" in page and "refresh" not in page


def test_a_newsroom_without_stories_is_led_to_its_first(
    newsroom: Newsroom, log_in: Callable[[Role], Person]
) -> None:
    set_stream_state(newsroom.db, newsroom.actor, "floods", StreamState.DELETED)
    editor, author = log_in(Role.EDITOR), log_in(Role.AUTHOR)
    assert "Create a story" in editor.get("/desk/post").text
    assert "/desk/streams/new" not in author.get("/desk/post").text
    page = editor.get("/desk/streams/new")
    begun = editor.send(
        page,
        title="The strike",
        slug="strike",
        contributor="Ines Valbrook, Jory Pell",
        timezone="Europe/Kyiv",
    )
    assert begun.location == "/desk/post?stream=strike"
    assert editor.form(editor.get(begun.location))[1]["stream"] == "strike"


@pytest.mark.parametrize(
    "changed",
    [
        {"title": ""},
        {"slug": "Not A Slug"},
        {"slug": "floods"},
        {"timezone": "Mars"},
        {"language": "?"},
        {"mail_intro": "x" * 1001},
    ],
)
def test_a_stream_that_cannot_be_created_shows_errors_at_the_fields(
    changed: dict[str, str], editor: Person
) -> None:
    page = editor.get("/desk/streams/new")
    refused = editor.send(
        page, **({"title": "T", "slug": "strike", "dek": "Kept", "contributor": "A, B"} | changed)
    )
    assert refused.status_code == 422
    fields = editor.form(refused)[1]
    assert (fields["dek"], fields["contributor"]) == ("Kept", "A, B")
    assert f'id="{next(iter(changed))}-w"' in refused.text


def test_the_settings_of_a_story_are_saved_and_never_over_what_somebody_else_saved(
    newsroom: Newsroom, editor: Person
) -> None:
    path = "/desk/streams/floods/edit"
    mine, theirs = editor.get(path), editor.get(path)
    assert editor.form(mine)[1]["feed_text"] == "full"
    assert editor.send(theirs, contributor="Ines Valbrook", feed_text="summary").status_code == 303
    refused = editor.send(mine, title="My title", contributor="Jory Pell")
    assert refused.status_code == 409
    assert (
        "Current version (saved by someone else)" in refused.text
        and "Ines Valbrook" in refused.text
    ), "beside the text as typed"
    assert editor.send(refused, title="").status_code == 422
    assert editor.send(refused, subject_prefix="[Floods]").status_code == 303, "now it was seen"
    with newsroom.db.read() as tx:
        stream = get_stream(tx, "floods")
    assert (stream.subject_prefix, stream.mail_intro) == ("[Floods]", None)
    assert (stream.title, stream.feed_text, [who.name for who in stream.contributors]) == (
        "My title",
        FeedText.FULL,
        ["Jory Pell"],
    )


def test_a_story_ends_and_opens_again(newsroom: Newsroom, editor: Person) -> None:
    for state in (StreamState.ENDED, StreamState.LIVE, StreamState.HIDDEN, StreamState.LIVE):
        assert editor.send(editor.get("/desk/streams"), state=state.value).status_code == 303
        with newsroom.db.read() as tx:
            assert get_stream(tx, "floods").state is state
    assert editor.send(editor.get("/desk/streams"), state="deleted").status_code == 409


def test_a_release_without_undo_is_out_at_once(
    newsroom: Newsroom, editor: Person, change_settings: Callable[..., None]
) -> None:
    change_settings(undo_seconds=0)
    uid = editor.uid(editor.write())
    assert newsroom.entry(uid).state is EntryState.PUBLISHED
