"""The flow of entries on the desk: returned, taken back, approved by a second editor, scheduled,
pinned, restored.
"""

import re
from collections.abc import Callable
from datetime import timedelta

import lxml.etree

from models import EntryState, Importance, Role, StreamState
from models.publishing.posting import Release
from models.publishing.publishing import publish_due
from models.recipients.audience import add_subscriber
from models.streams.streams import set_stream_state
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom
from tests.support.queries import recorded_statements
from tests.support.web_person import BASE_URL, Person


def atom_ids(reader: Person, path: str) -> list[str]:
    """Of the feed and its entries."""
    return [
        one.text
        for one in lxml.etree.fromstring(reader.get(path).data).iter(
            "{http://www.w3.org/2005/Atom}id"
        )
    ]


def test_a_returned_entry_shows_its_author_the_remark_everywhere_until_it_is_submitted_again(
    newsroom: Newsroom, author: Person, editor: Person
) -> None:
    uid = author.uid(author.write(alert="nobody"))
    path = f"/desk/entries/{uid}"
    refused = editor.send(editor.get(path), f"{path}/return", remark="")
    assert refused.status_code == 422 and "Tell the author what is missing." in refused.text
    assert (
        editor.send(editor.get(path), f"{path}/return", remark="Who says <so>?").status_code == 303
    )
    assert newsroom.entry(uid).state is EntryState.DRAFT
    for place in ("/desk", path, f"{path}/edit"):
        assert "Who says &lt;so&gt;?" in author.get(place).text, place
    assert (
        author.send(author.get(f"{path}/edit"), title="The gauge says so", do="post").status_code
        == 303
    )
    assert newsroom.entry(uid).state is EntryState.SUBMITTED
    assert "Who says" not in author.get(path).text
    assert "1 entry is waiting for review" in editor.get("/desk").text


def test_an_author_takes_back_what_was_submitted_and_writes_on(
    newsroom: Newsroom, author: Person
) -> None:
    uid = author.uid(author.write(alert="nobody"))
    answer = author.send(author.get(f"/desk/entries/{uid}"), f"/desk/entries/{uid}/take-back")
    assert answer.location == f"/desk/entries/{uid}/edit"
    assert author.get(answer.location).status_code == 200
    assert newsroom.entry(uid).state is EntryState.DRAFT


def test_approving_an_alert_to_many_asks_for_confirmation(
    newsroom: Newsroom, author: Person, editor: Person, clock: StandingClock
) -> None:
    add_subscriber(newsroom.db, newsroom.actor, "ann@example.org")
    uid = author.uid(author.write(importance="breaking"))
    path = f"/desk/entries/{uid}/approve"
    question = editor.send(editor.get(f"/desk/entries/{uid}"), path)
    assert question.status_code == 200 and "Alert 1 recipient now?" in question.text
    assert newsroom.entry(uid).state is EntryState.SUBMITTED
    assert editor.send(question, path, do="back").location == f"/desk/entries/{uid}"
    assert editor.send(question, path, do="approve").status_code == 303
    assert newsroom.entry(uid).state is EntryState.SCHEDULED


def test_the_form_announces_that_breaking_needs_a_second_editor(
    newsroom: Newsroom, editor: Person, log_in: Callable[[Role], Person]
) -> None:
    newsroom.agree(second_editor=True)
    assert "need approval from a second editor" in editor.get("/desk/post").text
    uid = editor.uid(editor.write(importance="breaking"))
    path = f"/desk/entries/{uid}"
    page = editor.get(path)
    assert "Someone else has to approve this one" in page.text and f"{path}/return" not in page.text
    assert editor.post(f"{path}/approve", editor.form(page)[1]).status_code == 403
    other = log_in(Role.ADMIN)
    assert other.send(other.get(path), f"{path}/approve").status_code == 303
    assert newsroom.entry(uid).state is EntryState.SCHEDULED


def test_an_alert_that_waits_is_let_go_or_dropped_from_the_first_page(
    newsroom: Newsroom, editor: Person
) -> None:
    newsroom.agree(most_alerts=1)
    for title in ("First", "Second", "Third"):
        newsroom.post(title=title)
    board = editor.get("/desk")
    assert "2 alerts need your approval" in board.text
    assert "in the last hour" in editor.get("/desk/post?stream=floods").text
    assert (
        "The alert for this entry is waiting for approval"
        in editor.get(f"/desk/entries/{newsroom.post(title='Fourth').uid}").text
    )
    assert "Waiting for approval" in editor.get("/desk/alerts/2").text
    assert editor.send(board, "/desk/alerts/2/resume").status_code == 303
    assert (
        editor.post(
            "/desk/alerts/3/stop", editor.form(board, "/desk/alerts/3/resume")[1]
        ).status_code
        == 303
    )
    assert "1 alert needs your approval" in editor.get("/desk").text


def test_the_schedule_changes_a_time_and_refuses_an_invalid_one(
    newsroom: Newsroom, editor: Person, clock: StandingClock
) -> None:
    newsroom.stream("kyiv", timezone="Europe/Kyiv")
    uid = newsroom.post(
        "kyiv", title="Noon readings", release=Release(at=clock.now + timedelta(hours=4))
    ).uid
    page = editor.get("/desk/schedule")
    assert 'value="2026-03-14T14:00"' in page.text, "in the story's zone"
    path = f"/desk/entries/{uid}/time"
    assert editor.send(page, path, at="2026-03-14T15:30").location == "/desk/schedule"
    assert newsroom.entry(uid).publish_at == clock.now + timedelta(hours=5, minutes=30)
    for wrong, sentence in (
        ("2026-03-14T09:00", "or publish now"),
        ("soon", "is not a time"),
    ):
        refused = editor.send(editor.get("/desk/schedule"), path, at=wrong)
        assert refused.status_code == 422 and sentence in refused.text
        assert editor.form(refused, path)[1]["at"] == wrong
    assert "Noon readings" in editor.get("/desk").text, "today's schedule"


def test_a_pinned_entry_is_marked_at_the_top_of_its_page(
    newsroom: Newsroom, editor: Person, reader: Person
) -> None:
    old = newsroom.post(title="What to do now")
    newsroom.post(title="Newer")
    path = f"/desk/entries/{old.uid}"
    assert editor.send(editor.get(path), f"{path}/pin").status_code == 303
    page = reader.get("/streams/floods").text.partition("<main")[2]
    assert page.index("Pinned") < page.index("What to do now") < page.index("Newer")
    assert editor.send(editor.get(path), f"{path}/unpin").status_code == 303
    assert "Pinned" not in reader.get("/streams/floods").text


def test_a_former_text_is_taken_up_in_the_form_and_goes_the_way_of_every_change(
    newsroom: Newsroom, editor: Person
) -> None:
    entry = newsroom.post(
        title="Five metres", body="As the *gauge* says.", byline=("Jory Pell",), tags=("river",)
    )
    path = f"/desk/entries/{entry.uid}"
    assert (
        editor.send(
            editor.get(f"{path}/edit?kind=correction"),
            title="Six metres",
            byline="",
            body="",
            do="save",
        ).status_code
        == 303
    )
    fields = editor.form(editor.get(f"{path}/edit?from=1"))[1]
    assert (fields["title"], fields["body"], fields["byline"], fields["tags"]) == (
        "Five metres", "As the *gauge* says.", "Jory Pell", "river"
    )  # fmt: skip
    assert fields["kind"] == "silent"
    assert editor.form(editor.get(f"{path}/edit?kind=correction"))[1]["kind"] == "correction"
    assert editor.get(f"{path}/edit?from=9").status_code == 404
    assert f"{path}/edit?from=1" in editor.get(path).text


def test_a_moved_story_is_found_under_its_former_address_by_page_and_by_feed(
    newsroom: Newsroom, editor: Person, reader: Person
) -> None:
    uid = newsroom.post().uid
    feeds = [
        f"/streams/floods/{flavour}{name}"
        for flavour in ("", "key/", "new/")
        for name in ("atom.xml", "rss.xml", "feed.json")
    ]
    ids = atom_ids(reader, feeds[0])
    form = editor.get("/desk/streams/floods/edit")
    assert editor.send(form, slug="tarrow-rises", color="#0A5BD3").status_code == 303
    for path in (
        "/streams/floods",
        f"/streams/floods/entries/{uid}",
        "/streams/floods/follow",
        "/streams/floods/feed",
        *feeds,
    ):
        answer = reader.get(path)
        there = path.replace("floods", "tarrow-rises")
        assert (answer.status_code, answer.location) == (301, BASE_URL + there), path
        assert reader.get(there).status_code in (200, 301), there
    assert (
        reader.get("/streams/floods?before=7").location
        == f"{BASE_URL}/streams/tarrow-rises?before=7"
    )
    assert atom_ids(reader, "/streams/tarrow-rises/atom.xml") == ids, "readers see nothing as new"
    taken = editor.send(editor.get("/desk/streams/new"), slug="floods", title="Another")
    assert taken.status_code == 422 and "Choose a different one" in taken.text
    assert (
        editor.send(editor.get("/desk/streams/tarrow-rises/edit"), slug="floods").status_code == 303
    )
    assert reader.get(feeds[0]).status_code == 200
    assert reader.get("/streams/tarrow-rises/atom.xml").status_code == 301


def test_the_first_page_asks_the_same_few_questions_however_much_there_is(
    newsroom: Newsroom, editor: Person, author: Person, clock: StandingClock
) -> None:
    newsroom.agree(most_alerts=2)

    def queries() -> int:
        with recorded_statements(newsroom.db) as found:
            assert editor.get("/desk").status_code == 200
        return len(found)

    def fill(round_: int) -> None:
        newsroom.stream(f"story-{round_}")
        for title in "abc":
            newsroom.post(title=title, byline=("Jory Pell",), tags=("river",))
            newsroom.post(f"story-{round_}", title=title, importance=Importance.KEY)
        newsroom.post(title="Later", release=Release(at=clock.now + timedelta(hours=1)))
        author.write(alert="nobody", title=f"Submitted {round_}")
        editor.write(do="draft", title=f"Draft {round_}")

    fill(0)
    few = queries()
    for round_ in range(1, 5):
        fill(round_)
    assert queries() == few
    assert few <= 31, "with those of the log-in"


def test_a_late_entry_is_offered_on_the_board_its_page_the_lists_and_the_schedule(
    newsroom: Newsroom, editor: Person, clock: StandingClock
) -> None:
    late = newsroom.post(title="Night shift", release=Release(at=clock.now + timedelta(minutes=10)))
    newsroom.post(title="Later today", release=Release(at=clock.now + timedelta(hours=21)))
    path = f"/desk/entries/{late.uid}"
    assert "Late" not in editor.get("/desk").text
    clock.forward(hours=20)
    publish_due(newsroom.db)
    board = editor.get("/desk").text
    assert "Late: publish now?" in board
    assert (
        board.index("Late: publish now?") < board.index("Night shift") < board.index("Later today")
    )
    assert "Late: this was due on" in editor.get(path).text
    assert "Late" in editor.get("/desk/entries?state=scheduled").text
    assert "The service wasn’t running when this was due" in editor.get("/desk/schedule").text
    assert editor.send(editor.get("/desk"), f"{path}/now").location == path
    assert newsroom.entry(late.uid).state is EntryState.PUBLISHED
    assert "Late: publish now?" not in editor.get("/desk").text


def test_late_entries_and_those_of_an_ended_story_hide_nothing_of_today(
    newsroom: Newsroom, editor: Person, clock: StandingClock
) -> None:
    newsroom.stream("ended")
    for number in range(25):
        newsroom.post(
            title=f"Late {number}", release=Release(at=clock.now + timedelta(minutes=10 + number))
        )
    newsroom.post(
        "ended", title="Of an ended story", release=Release(at=clock.now + timedelta(minutes=5))
    )
    newsroom.post(title="Later today", release=Release(at=clock.now + timedelta(hours=15)))
    set_stream_state(newsroom.db, newsroom.actor, "ended", StreamState.ENDED)
    clock.forward(hours=12)
    publish_due(newsroom.db)
    board = editor.get("/desk").text
    assert "20 entries are late" in board
    today = board[board.index('id="d-sched"') :]
    assert "Of an ended story" in today and "Later today" in today and "Late 0" not in today
    assert board.count(">Late 0<") == 1


def test_the_list_of_stories_has_pages_and_a_search_by_title(
    newsroom: Newsroom, editor: Person
) -> None:
    for number in range(55):
        newsroom.stream(f"story-{number}")
    first = editor.get("/desk/streams").text
    older = re.search(r'href="(/desk/streams\?before=\d+)"', first)
    assert older is not None
    second = editor.get(older[1]).text
    shown = [set(re.findall(r"/desk/streams/([a-z0-9-]+)/edit", page)) for page in (first, second)]
    assert (len(shown[0]), len(shown[1]), shown[0] & shown[1]) == (50, 6, set())
    found = editor.get("/desk/streams?q=story-54").text
    assert re.findall(r"/desk/streams/([a-z0-9-]+)/edit", found) == ["story-54"]
    assert "No stories found." in editor.get("/desk/streams?q=nowhere").text
    assert len(re.findall(r'href="/desk/entries\?stream=', editor.get("/desk").text)) == 20
