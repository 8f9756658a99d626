"""Changing what is out, on the desk."""

import pytest
from sqlalchemy import func, select

from models import (
    Alert,
    AlertKind,
    Delivery,
    DeliveryState,
    EntryState,
    Lane,
    RevisionKind,
    RevisionState,
    SkipReason,
    TallyKind,
)
from models.db.tallies import add_to_tallies
from models.publishing.revising import apply_due, list_revisions
from models.recipients.audience import add_subscriber
from tests.support.clock import StandingClock
from tests.support.databases import both_databases
from tests.support.newsroom import Newsroom
from tests.support.web_person import Person

pytestmark = both_databases


def kinds(newsroom: Newsroom, uid: str) -> list[tuple[RevisionKind, RevisionState]]:
    entry = newsroom.entry(uid)
    with newsroom.db.read() as tx:
        return [(revision.kind, revision.state) for revision in list_revisions(tx, entry)]


def alerts(newsroom: Newsroom) -> int:
    with newsroom.db.read() as tx:
        return tx.execute(
            select(func.count()).select_from(Alert).where(Alert.kind == AlertKind.REVISION)
        ).scalar_one()


def test_an_edit_is_silent_unless_the_editor_chooses_otherwise(
    newsroom: Newsroom, editor: Person
) -> None:
    uid = newsroom.post(title="Rivr rising").uid
    before = newsroom.entry(uid)
    page = editor.get(f"/desk/entries/{uid}/edit")
    assert editor.form(page)[1]["kind"] == "silent"
    assert editor.send(page, title="River rising", do="save").status_code == 303
    after = newsroom.entry(uid)
    assert after.title == "River rising"
    assert (after.updated_at, after.published_at) == (before.updated_at, before.published_at)
    assert kinds(newsroom, uid)[0] == (RevisionKind.SILENT, RevisionState.APPLIED)
    assert alerts(newsroom) == 1, "that of the entry itself"


@pytest.mark.parametrize("kind", ["update", "correction"])
def test_a_change_that_alerts_waits_and_can_be_undone(
    kind: str, newsroom: Newsroom, editor: Person, clock: StandingClock
) -> None:
    uid = newsroom.post(title="Forty pumps are running").uid
    path = f"/desk/entries/{uid}"
    for undo in (True, False):
        page = editor.get(f"{path}/edit")
        assert (
            editor.send(
                page, title="Fourteen pumps are running", kind=kind, note="Fourteen.", do="save"
            ).status_code
            == 303
        )
        assert newsroom.entry(uid).title == "Forty pumps are running"
        waiting = editor.get(path)
        assert f"Publishing the {kind}" in waiting.text
        if undo:
            assert editor.send(waiting, f"{path}/undo").location == path
            assert kinds(newsroom, uid)[0][1] is RevisionState.CANCELLED
    clock.forward(seconds=10)
    apply_due(newsroom.db)
    assert newsroom.entry(uid).title == "Fourteen pumps are running"
    shown = editor.get(path).text
    assert (
        "“Fourteen.”" in shown
        and "<del>Forty</del> <ins>Fourteen</ins>" in shown
        and "undone" in shown
    )
    assert alerts(newsroom) == 2


def test_publish_now_ends_the_wait_of_a_change(newsroom: Newsroom, editor: Person) -> None:
    uid = newsroom.post().uid
    editor.send(
        editor.get(f"/desk/entries/{uid}/edit"), title="River falling", kind="update", do="save"
    )
    path, fields = editor.form(editor.get(f"/desk/entries/{uid}"), f"/desk/entries/{uid}/undo")
    assert editor.post(path.replace("/undo", "/now"), fields).status_code == 303
    assert newsroom.entry(uid).title == "River falling"


def test_a_double_tap_changes_once(newsroom: Newsroom, editor: Person) -> None:
    uid = newsroom.post().uid
    page = editor.get(f"/desk/entries/{uid}/edit")
    for _ in range(2):
        assert editor.send(page, title="River falling", do="save").status_code == 303
    assert len(kinds(newsroom, uid)) == 2


def test_a_breaking_correction_asks_before_it_alerts(newsroom: Newsroom, editor: Person) -> None:
    add_subscriber(newsroom.db, newsroom.actor, "reader@example.org")
    uid = newsroom.post().uid
    asked = editor.send(
        editor.get(f"/desk/entries/{uid}/edit"),
        importance="breaking",
        kind="correction",
        note="Kept",
        do="save",
    )
    assert "Alert 1 recipient now?" in asked.text
    assert editor.form(editor.send(asked, do="back", confirmed=""))[1]["note"] == "Kept"
    assert editor.send(asked, do="save").status_code == 303
    assert kinds(newsroom, uid)[0] == (RevisionKind.CORRECTION, RevisionState.PENDING)


def test_a_silent_change_of_a_breaking_entry_asks_nothing(
    newsroom: Newsroom, editor: Person
) -> None:
    add_subscriber(newsroom.db, newsroom.actor, "reader@example.org")
    uid = newsroom.post().uid
    assert (
        editor.send(
            editor.get(f"/desk/entries/{uid}/edit"), importance="breaking", do="save"
        ).status_code
        == 303
    )


def test_a_stale_change_shows_both_texts(newsroom: Newsroom, editor: Person) -> None:
    uid = newsroom.post(title="River rising").uid
    page = editor.get(f"/desk/entries/{uid}/edit")
    editor.send(editor.get(f"/desk/entries/{uid}/edit"), title="Theirs", do="save")
    refused = editor.send(page, title="Mine", kind="update", note="Kept", do="save")
    assert refused.status_code == 409
    assert "<del>Theirs</del> <ins>Mine</ins>" in refused.text
    fields = editor.form(refused)[1]
    assert (fields["title"], fields["kind"], fields["note"]) == ("Mine", "update", "Kept")
    assert newsroom.entry(uid).title == "Theirs"
    assert editor.send(refused, kind="silent", do="save").status_code == 303
    assert newsroom.entry(uid).title == "Mine"


def test_a_draft_that_came_out_while_it_was_edited_is_offered_as_a_change(
    newsroom: Newsroom, editor: Person
) -> None:
    uid = editor.uid(editor.write(do="draft"))
    page = editor.get(f"/desk/entries/{uid}/edit")
    editor.send(editor.get(f"/desk/entries/{uid}/edit"), do="post")
    form = editor.form(editor.get(f"/desk/entries/{uid}"), f"/desk/entries/{uid}/undo")
    editor.post(form[0].replace("/undo", "/now"), form[1])
    refused = editor.send(page, title="Mine", do="post")
    assert refused.status_code == 409
    assert editor.form(refused)[0] == f"/desk/entries/{uid}/revise"
    assert editor.send(refused, do="save").status_code == 303
    assert newsroom.entry(uid).title == "Mine"


def test_a_retraction_hides_at_once_and_is_undone_or_restored(
    newsroom: Newsroom, editor: Person, reader: Person, clock: StandingClock
) -> None:
    uid = newsroom.post().uid
    path, page = f"/desk/entries/{uid}", f"/streams/floods/entries/{uid}"
    assert editor.send(editor.get(f"{path}/retract"), note="It was wrong.").status_code == 303
    assert reader.get(page).status_code == 410
    assert editor.send(editor.get(path), f"{path}/undo").status_code == 303
    assert reader.get(page).status_code == 200
    editor.send(editor.get(f"{path}/retract"), note="It was wrong after all.")
    clock.forward(seconds=11)
    apply_due(newsroom.db)
    assert editor.send(editor.get(path), f"{path}/restore").status_code == 303
    assert reader.get(page).status_code == 200
    assert newsroom.entry(uid).state is EntryState.PUBLISHED


def test_the_desk_shows_who_received_an_alert(
    newsroom: Newsroom, editor: Person, author: Person
) -> None:
    entry = newsroom.post()
    outcomes = [
        (DeliveryState.SENT, None, "250 ok"),
        (DeliveryState.FAILED, None, "550 <no> such user"),
        (DeliveryState.SKIPPED, SkipReason.FILTER, None),
    ]
    recipients = [
        add_subscriber(newsroom.db, newsroom.actor, f"reader{n}@example.org") for n in range(3)
    ]
    with newsroom.db.begin() as tx:
        alert = tx.scalars(select(Alert)).one()
        for recipient, (state, reason, reply) in zip(recipients, outcomes, strict=True):
            moment = alert.created_at
            tx.add(
                Delivery(
                    uid=recipient.uid, alert_id=alert.id, recipient_id=recipient.id,
                    lane=Lane.BULK, priority=1, state=state, reason=reason,
                    attempts=1, created_at=moment, due_at=moment, settled_at=moment,
                    last_reply=reply,
                )
            )  # fmt: skip
        ends = {(alert.id, Lane.BULK, TallyKind(state.value)): 1 for state, *_ in outcomes}
        add_to_tallies(tx, {(alert.id, Lane.BULK, TallyKind.OWED): 3, **ends})
    page = editor.get(f"/desk/entries/{entry.uid}").text
    assert (
        "reader1@example.org" in page
        and "550 &lt;no&gt; such user" in page
        and "Filtered by their settings" in page
    )
    assert "Filtered by their settings" in editor.get(f"/desk/alerts/{alert.id}").text
    assert "Resend to the 1 it failed for" in page
    again = editor.send(editor.get(f"/desk/entries/{entry.uid}"), f"/desk/alerts/{alert.id}/retry")
    assert again.status_code == 303
    with newsroom.db.read() as tx:
        assert (
            len(tx.scalars(select(Delivery).where(Delivery.state == DeliveryState.QUEUED)).all())
            == 1
        )
    assert "reader1@example.org" not in author.get(f"/desk/entries/{entry.uid}").text, (
        "addresses are not every author's matter"
    )
    assert "River rising" in editor.get("/desk").text
