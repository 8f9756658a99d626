"""Samples with which every template is tried, so that the doctor and the tests see each of its
branches.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from config.languages import LANGUAGES
from config.settings import Settings
from models import Importance, RevisionKind
from models.text.markdown import to_html
from notifier.content.entry import DigestContent, Ending, EntryContent, Notice
from notifier.content.render import (
    Sender,
    render_chat,
    render_digest,
    render_ending,
    render_mail,
    render_notice,
)
from notifier.message.mail_templates import Templates
from notifier.transport.mime import MailBatch

_AT = datetime(2026, 3, 14, 7, 42, tzinfo=UTC)

_BODY = """\
About thirty metres of the earth dyke behind the mill slid into the river at 09:35, the fire service says.

- Take papers, medicine and warm clothes.
- **The underpass at Dyer Street is closed.**

See [the map](https://maps.example/?a=b&c=d).
"""

FULL = EntryContent(
    kind=RevisionKind.PUBLISH,
    note="",
    uid="7kq2m",
    guid="urn:uuid:7f9c24e8-3b12-4fef-91e0-3d1f2a6c0b57",
    title="Low Mill dyke gives way; 1,900 people told to leave the Flats at once",
    dek=(
        "Water is crossing Tanner’s Row. Shelters are open at the grammar school and in the tram"
        " depot."
    ),
    body=_BODY,
    body_html=to_html(_BODY),
    byline=("Ines Valbrook", "Jory Pell"),
    link="https://example.org/river-levels",
    importance=Importance.BREAKING,
    tags=("Dykes",),
    pictures=("Brown water stands just below the six-metre mark (Drawing: Hedda Voss)",),
    published_at=_AT,
    updated_at=_AT,
    stream_uid="s7",
    stream_slug="tarrow-rises",
    stream_title="The Tarrow rises",
    language="en",
    timezone="Europe/Kyiv",
    subject_prefix="[Tarrow]",
    mail_intro="We tell you as soon as we know.\nThis page is for the whole valley.\n\nStay safe.",
    mail_footer="Call 112 in danger of life.",
)
BARE = replace(
    FULL,
    title="Road open",
    dek="",
    body="",
    body_html="",
    byline=(),
    link="",
    importance=Importance.NORMAL,
    tags=(),
    pictures=(),
    updated_at=None,
    subject_prefix="",
    mail_intro="",
    mail_footer="",
)
STORIES = (
    FULL,
    BARE,
    replace(FULL, kind=RevisionKind.UPDATE, note="The tram depot is full."),
    replace(FULL, kind=RevisionKind.CORRECTION, note="It was not Dyer Lane."),
    replace(FULL, kind=RevisionKind.RETRACTION, note="It was an exercise."),
    replace(BARE, kind=RevisionKind.RETRACTION),
)
_OTHER = replace(
    BARE,
    stream_uid="s8",
    stream_slug="budget",
    stream_title="The county’s budget",
    title="Vote put off until Thursday",
)
DIGESTS = (
    DigestContent(
        (FULL, STORIES[3], _OTHER, BARE), datetime(2026, 3, 14, 17, tzinfo=UTC), "Europe/Berlin"
    ),
    DigestContent((BARE,), datetime(2026, 3, 14, 17, tzinfo=UTC), "Europe/Berlin", by_day=False),
)
_CHANNEL = {"channel": "Newsroom", "masked_url": "slack://T…A/B…B/…", "words": "404 no_service"}
_ASKED = {"story": "The Tarrow rises", "confirm": "token", "settings": "token"}
NOTICES = (
    Notice("sick", _CHANNEL),
    Notice("healed", _CHANNEL),
    Notice("late-entries", {"number": 21, "titles": ["Trams turn back", "Vote put off"]}),
    Notice(
        "alert-failed",
        {"alert": 7, "title": "Trams turn back", "words": "Rendering failed: TypeError"},
    ),
    Notice("held", {"number": 3, "domains": 2, "words": "550 5.1.1 User unknown"}),
    Notice("confirm", _ASKED),
    Notice("confirm", {**_ASKED, "story": ""}),
    Notice("preferences", _ASKED),
    Notice("preferences", {**_ASKED, "story": ""}),
    *(
        Notice("fresh-link", {"purpose": purpose, "link": "/p/token"})
        for purpose in ("data", "leave", "move")
    ),
    *(
        Notice(name, {"account": "Mara Eskelund", "link": "token"})
        for name in ("invitation", "reset")
    ),
    Notice("password", {"account": "Mara Eskelund"}),
)


def template_faults(settings: Settings) -> list[str]:
    """Faults in the operator's own templates, a sentence each; tried with every sample in every
    language.
    """
    faults: list[str] = []
    templates = Templates(settings.data_dir / "templates", faults.append)
    sender = replace(Sender.of(settings), templates=templates)
    for language in LANGUAGES:
        list(sample_mails(sender, language))
        for story in STORIES:
            render_chat(story, sender, "", language)
    return faults + [
        f"templates/{name}: nothing uses a template of this name" for name in templates.unused()
    ]


def sample_mails(sender: Sender, language: str) -> Iterator[tuple[str, MailBatch]]:
    """Each sample as a mail in that language, by a name for it."""
    for story in STORIES:
        for follows_all in (False, True):
            yield (
                story.kind.value,
                render_mail(story, sender, follows_all=follows_all, language=language),
            )
    yield "ending", render_ending(Ending(FULL), sender, language=language)
    for digest in DIGESTS:
        yield (
            "digest",
            render_digest(digest, sender, leaves_all=digest is DIGESTS[0], language=language),
        )
    for notice in NOTICES:
        yield (
            notice.name,
            render_notice(replace(notice, values={**notice.values, "language": language}), sender),
        )
