"""A preview is what is sent: compared with what came."""

from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import select

from models import Importance, Recipient, RecipientKind, Revision, RevisionKind
from models.publishing.revising import Change, apply_due, revise
from models.text.actor import SYSTEM
from models.text.errors import Conflict
from models.text.texts import EntryText
from notifier.content.alert_preview import NOT_YET, Preview
from notifier.content.render import Sender
from tests.support.clock import StandingClock
from tests.support.databases import sqlite_only
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import Office
from tests.support.previews import preview, preview_text

TEXT = EntryText(
    "River rising",
    "Two metres",
    "Go **up**.",
    ("Ann B",),
    ("Levels",),
    "https://example.org/",
    Importance.KEY,
).cleaned()


NAMES = ("reader@example.org", "program", "phone")


def seen(office: Office, no: int) -> dict[str, Preview]:
    with office.db.read() as tx:
        revision = tx.scalars(select(Revision).where(Revision.no == no)).one()
        return {
            name: preview(tx, revision, office.recipient(name), Sender.of(office.settings))
            for name in NAMES
        }


def came(office: Office, inbox: Inbox, httpserver: HTTPServer) -> dict[str, Preview]:
    """What arrived last; what only a sent message has is made the same as in a preview."""
    mail = inbox.mails[-1]
    token = mail["List-Unsubscribe"].strip("<>").rpartition("/")[2]
    # A mail's lines end as its transport wants it, the last one too.
    text, html = (
        "\n".join(part.get_content().replace(token, NOT_YET).splitlines())
        for part in mail.iter_parts()
    )
    hooked = (
        next(request for request, _ in reversed(httpserver.log) if request.path == "/hook")
        .get_data()
        .decode()
    )
    for delivery in office.deliveries():
        hooked = hooked.replace(delivery.uid, NOT_YET)
    pushed = next(request for request, _ in reversed(httpserver.log) if request.path == "/").json
    found = (
        Preview("mail", mail["Subject"], text, html),
        Preview("webhook", "", hooked),
        Preview("ntfy", pushed["title"], pushed["message"]),
    )
    return dict(zip(NAMES, found, strict=True))


@sqlite_only
def test_a_preview_is_what_is_sent_then(
    newsroom: Newsroom,
    office: Office,
    inbox: Inbox,
    httpserver: HTTPServer,
    hook: str,
    clock: StandingClock,
) -> None:
    for path in ("/hook", "/"):
        httpserver.expect_request(path).respond_with_data("ok")
    office.subscribe(NAMES[0], stream=None)
    office.channel("program", hook)
    office.channel("phone", f"ntfy://{httpserver.host}:{httpserver.port}/news", "ntfy")
    entry = newsroom.post(**vars(TEXT))
    before = seen(office, 1)
    assert "all stories" in before[NAMES[0]].text
    office.run()
    assert came(office, inbox, httpserver) == before

    def change(
        text: EntryText, kind: RevisionKind, note: str, delay: timedelta = timedelta(0)
    ) -> None:
        revise(
            office.db,
            SYSTEM,
            entry.uid,
            newsroom.entry(entry.uid).version,
            text,
            Change(kind, note, delay),
        )

    change(
        EntryText("River falling", byline=("Ann B", "Cy D")),
        RevisionKind.CORRECTION,
        "One metre.",
        timedelta(seconds=10),
    )
    before = seen(office, 2)  # while it can still be undone
    assert before[NAMES[0]].subject == "Correction: River falling"
    clock.forward(seconds=10)
    apply_due(office.db)
    office.run()
    assert came(office, inbox, httpserver) == before
    clock.forward(seconds=10)
    text, update = (
        EntryText("River gone", "Dry", "At *last*.", ("Ann B",), ("Levels",)).cleaned(),
        RevisionKind.UPDATE,
    )
    with office.db.read() as tx:
        typed = {
            name: preview_text(
                tx, text, office.recipient(name), Sender.of(office.settings), stream=entry.stream,
                entry=newsroom.entry(entry.uid),
                kind=update, note="Since noon.",
            )
            for name in NAMES
        }  # fmt: skip
    change(text, update, "Since noon.")
    office.run()
    assert came(office, inbox, httpserver) == typed


@sqlite_only
def test_a_preview_shows_each_version_of_an_alert_and_none_for_a_silent_edit(
    newsroom: Newsroom, office: Office
) -> None:
    sender, nobody = Sender.of(office.settings), Recipient(kind=RecipientKind.MAIL, service="mail")
    stream = newsroom.post().stream
    with office.db.read() as tx:
        found = preview_text(tx, TEXT, nobody, sender, stream=stream)
        phone = preview_text(
            tx, TEXT, Recipient(kind=RecipientKind.CHANNEL, service="slack"), sender, stream=stream
        )
        silent = Revision(kind=RevisionKind.SILENT)
        with pytest.raises(Conflict):
            preview(tx, silent, nobody, sender)
    assert (found.service, found.subject) == ("mail", "River rising")
    assert "By Ann B" in found.text
    assert "River rising" in phone.text
