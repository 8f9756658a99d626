"""A story as a mail and as a channel's message."""

import re
from email.header import decode_header, make_header
from email.parser import BytesParser
from email.policy import compat32

import lxml.html
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Importance, RevisionKind
from notifier.content.render import LONGEST_BODY, Sender, render_chat, render_mail
from notifier.message.channel_message import WORD_JOINER, one_line
from notifier.transport.mime import MARK, MailJob, render, secret_mark, wire_address
from tests.support.entry_content import story

SENDER = Sender(
    name="Courier",
    base_url="https://news.example.org",
    imprint="4 Quay Street",
    mail_from="Courier <news@courier.example>",
)


@pytest.mark.parametrize(
    ("given", "told", "subject"),
    [
        ({}, False, "Dyke gives way"),
        ({"importance": Importance.BREAKING}, False, "Breaking: Dyke gives way"),
        ({"importance": Importance.KEY}, False, "Dyke gives way"),
        ({"kind": RevisionKind.CORRECTION}, True, "Correction: Dyke gives way"),
        (
            {"kind": RevisionKind.UPDATE, "importance": Importance.BREAKING},
            True,
            "Update: Dyke gives way",
        ),
        (
            {"kind": RevisionKind.UPDATE, "importance": Importance.BREAKING},
            False,
            "Breaking: Dyke gives way",
        ),
        ({"kind": RevisionKind.CORRECTION}, False, "Dyke gives way"),
        ({"kind": RevisionKind.RETRACTION}, True, "Retracted: Dyke gives way"),
    ],
)
def test_the_subject_names_the_kind_of_revision(
    given: dict[str, object], told: bool, subject: str
) -> None:
    assert (
        render_mail(story(**given).worded(told=told), SENDER, follows_all=False).subject == subject
    )


def test_the_text_part_is_as_good_as_the_html() -> None:
    mail = render_mail(
        story(note="Not thirteen.", kind=RevisionKind.CORRECTION), SENDER, follows_all=False
    )
    for part in (mail.text, mail.html):
        for words in (
            "Dyke gives way",
            "Leave the Flats",
            "Not thirteen.",
            "By Ann B and Ced D",
            "14 March 2026, 09:42 EET",
            "4 Quay",
        ):
            assert words in part
        assert "https://news.example.org/streams/tarrow/entries/7kq2m" in part
        assert part.count("https://news.example.org/u/{token}") == 1
    assert "thirty metres, see the map (https://maps.example/a?b=1&c=2)." in mail.text


def test_the_html_part_is_self_contained() -> None:
    html = render_mail(story(), SENDER, follows_all=False).html
    assert '<h1 style="' in html
    assert "@media (prefers-color-scheme: dark)" in html
    assert "max-width: 600px" in html
    assert "<script" not in html
    assert "src=" not in html
    assert '<div class="pre" style="display:none' in html


def test_a_retraction_repeats_nothing_but_the_title() -> None:
    told = story(kind=RevisionKind.RETRACTION, note="")
    mail, message = render_mail(told, SENDER, follows_all=False), render_chat(told, SENDER, "d1")
    for text in (mail.text, mail.html):
        assert "Leave the Flats" not in text
        assert "thirty" not in text
        assert "have retracted this update" in text
    assert (message.event, message.label, message.dek, message.body_text) == (
        "retraction",
        "Retracted",
        "",
        "",
    )


def test_a_very_long_body_is_read_on_the_page() -> None:
    mail = render_mail(story(body="x" * LONGEST_BODY), SENDER, follows_all=False)
    assert "xxx" not in mail.html + mail.text
    assert "Read more" in mail.html


def test_an_editors_text_cannot_carry_a_readers_token_away() -> None:
    trap = "https://evil.example/{token} " + MARK + " {tok" + MARK + "en}"
    given = story(
        title=trap,
        dek=trap,
        body=f"{trap} <https://evil.example/{{token}}>",
        byline=(trap,),
        stream_title=trap,
    )
    mail = render_mail(given, SENDER, follows_all=False)
    sent = render(mail, SENDER.mail_from).fill(
        MailJob("d1", "a@example.org", "SECRETTOKEN"), wire_address("a@example.org")
    )
    assert sent.count(b"SECRETTOKEN") == 5  # the header, and two links in the foot of each part
    assert "{" + WORD_JOINER + "token}" in mail.text


def test_token_placeholders_cannot_be_guessed() -> None:
    assert secret_mark() != secret_mark()
    assert secret_mark().isalpha()


def test_times_are_the_streams_own() -> None:
    assert (
        "13 March 2026, 23:42 PDT"
        not in render_mail(story(timezone="Europe/Kyiv"), SENDER, follows_all=False).text
    )
    assert (
        "14 March 2026, 00:42 PDT"
        in render_mail(story(timezone="America/Los_Angeles"), SENDER, follows_all=False).text
    )
    assert (
        "14 March 2026, 13:27 UTC+0545"
        in render_mail(story(timezone="Asia/Kathmandu"), SENDER, follows_all=False).text
    )


_any_line = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=80)


@given(title=_any_line, body=_any_line, name=_any_line)
def test_any_text_becomes_a_mail_that_can_be_sent(title: str, body: str, name: str) -> None:
    given = story(title=title, dek=body, body=body, byline=(name,), stream_title=name)
    mail = render_mail(given, SENDER, follows_all=True)
    assert render(mail, SENDER.mail_from).fill(MailJob("d1", "a@example.org", "t"), "a@example.org")
    assert "<script" not in mail.html.casefold()


@pytest.mark.parametrize(("language", "word"), [("en", "Picture"), ("de", "Bild")])
def test_a_mail_describes_and_links_pictures_without_embedding_them(
    language: str, word: str
) -> None:
    shown = 'A "gauge" <6 m> (Drawing: Hedda Voß)'
    mail = render_mail(
        story(pictures=(shown, "A wall")), SENDER, follows_all=False, language=language
    )
    url = "https://news.example.org/streams/tarrow/entries/7kq2m"
    assert f"{word}: {shown}\n{url}\n" in mail.text and f"{word}: A wall\n{url}\n" in mail.text
    root = lxml.html.fromstring(mail.html)
    links = [link for link in root.iter("a") if link.get("href") == url]
    assert [link.text for link in links if word in (link.text or "")] == [
        f"{word}: {shown}", f"{word}: A wall"
    ]  # fmt: skip
    assert not list(root.iter("img", "picture", "source", "object"))


def test_a_chat_message_describes_pictures_and_a_retraction_does_not() -> None:
    message = render_chat(story(pictures=("A gauge", "A wall")), SENDER, "d1", "de")
    assert message.summary == "Leave the Flats\n\nBild: A gauge\n\nBild: A wall"
    assert message.pictures == ("A gauge", "A wall")
    gone = render_chat(
        story(pictures=("A gauge",), kind=RevisionKind.RETRACTION), SENDER, "d1", "de"
    )
    assert "gauge" not in gone.summary and gone.pictures == ()


def test_links_of_a_text_lead_somewhere_from_wherever_they_are_read() -> None:
    """RFC 3986 section 5.1: what is relative starts at the entry's page."""
    given = story(body="[map](/maps/1), [level](#l), [call](tel:+4930)", dek="")
    mail = render_mail(given, SENDER, follows_all=False)
    page = SENDER.base_url + given.path
    assert re.findall(r'<a href="([^"]*)" rel', mail.html) == [
        f"{SENDER.base_url}/maps/1",
        f"{page}#l",
        "tel:+4930",
    ]
    for text in (mail.text, render_chat(given, SENDER, "d1").body_text):
        assert f"map ({SENDER.base_url}/maps/1), level ({page}#l), call (+4930)" in text
    assert "map, level, call" in mail.html.partition("</div>")[0]  # the preheader names no address


@given(
    st.text(
        st.sampled_from(
            "aß é日\u00a0\u3000\u202f\u200c\u200dक्षि👩👧🇺🇦e\u0301שלום\u0e33\u00ad=?_\t"
        ),
        min_size=1,
        max_size=120,
    )
)
def test_a_subject_comes_back_as_it_was_written(title: str) -> None:
    """RFC 2047: whatever the script; only what ends a line and runs of spaces are squeezed."""
    batch = render_mail(story(title=f"x{title}x"), SENDER, follows_all=False)
    raw = render(batch, SENDER.mail_from).fill(MailJob("d1", "a@example.org", "t"), "a@example.org")
    subject = BytesParser(policy=compat32).parsebytes(raw)["Subject"]
    assert str(make_header(decode_header(subject.replace("\n", "")))) == one_line(f"x{title}x")
