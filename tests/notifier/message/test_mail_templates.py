"""Words in each language, and an operator's own templates beside those that are shipped."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from models import Importance
from models.recipients.audience import add_subscriber
from models.text.actor import SYSTEM
from models.text.translations import catalog
from notifier.content.render import Sender, render_chat, render_mail
from notifier.content.template_samples import FULL, STORIES, sample_mails, template_faults
from notifier.message.channel_message import folded
from notifier.message.mail_templates import SHIPPED, Templates
from notifier.message.template_words import _PHRASES, TemplateWords
from notifier.services import SERVICES
from tests.support.databases import sqlite_only
from tests.support.entry_content import story
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import Office, settings

BODY = "mail/entry/body.txt"
ENGLISH = re.compile(
    r"\b(and|are|at|because|been|by|change|follow|for|from|get|give|has|have|if|is|it|leave|link|mail|no|not|of|open|or|read|send|somebody|"
    r"stories|story|that|the|this|to|updates|what|with|withdrawn|you|your)\b"
)


def test_the_named_phrases_of_operators_templates_are_those_of_the_shipped_ones() -> None:
    for text in _PHRASES.values():
        assert catalog("de").gettext(text) != text, text
    english, german = TemplateWords("uk"), TemplateWords("DE-at")
    assert english.read_on == "Read more" and german.read_on == "Weiterlesen"
    assert german.because_all.format(site="%") == (
        "Sie erhalten diese E-Mail, weil Sie allen Themen bei % folgen."
    )
    html = TemplateWords("en", html=True)
    assert html.because_all.format(site="<b>").endswith("on &lt;b&gt;.")
    with pytest.raises(AttributeError):
        _ = english.nothing


def test_a_german_mail_has_no_english_text() -> None:
    own = {word for one in STORIES for word in re.findall(r"\w+", f"{one}")}
    for name, mail in sample_mails(Sender.of(settings()), "de"):
        visible = re.sub(r"(?s)<style.*?</style>|<[^>]*>", " ", mail.html)
        for text in (mail.subject, mail.text, visible):
            said = ENGLISH.findall(re.sub(r"https?://\S+|storywire alert retry", "", text))
            assert not set(said) - own, name


UNTRANSLATED = {"storywire", "alert", "retry", "resume", "nbsp"}


@pytest.mark.parametrize(
    "path",
    [path for path in SHIPPED.rglob("*") if path.suffix in (".html", ".txt")],
    ids=lambda path: str(path.relative_to(SHIPPED)),
)
def test_every_text_of_a_template_is_marked(path: Path) -> None:
    text = re.sub(r"(?s){#.*?#}|{%.*?%}|{{.*?}}|<!--.*?-->|<[^>]*>", " ", path.read_text("utf-8"))
    visible = re.sub(r"/[\w/-]*", "", text)  # paths of pages
    assert set(re.findall(r"\w{2,}", visible)) <= UNTRANSLATED
    code = " ".join(re.findall(r"(?s){[{%].*?[}%]}", path.read_text("utf-8")))
    unmarked = re.sub(r'\b(?:_|ngettext)\((?:"[^"]*"(?:, )?)+', "", code)
    assert not re.findall(r'"\w[^"/]* [^"/]*"', unmarked)


def test_every_shipped_template_has_a_sample(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path / "templates")
    assert template_faults(settings(data_dir=tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "source", "fault"),
    [
        (BODY, "Our own {{ leave_url }} {{ story.title }}", ""),
        (
            BODY,
            "\n{% if %}",
            f"templates/{BODY}, line 2: Expected an expression, got 'end of statement block'",
        ),
        (BODY, "\n{{ leave_url }}{{ storry }}", f"templates/{BODY}, line 2: 'storry' is undefined"),
        (
            BODY,
            "{{ leave_url }}{{ 1 // 0 }}",
            f"templates/{BODY}, line 1: integer division or modulo by zero",
        ),
        (
            BODY,
            "No way out",
            f"templates/{BODY}: it does not hold {{{{ leave_url }}}}, so nobody could leave",
        ),
        (
            "mail/ways.txt",
            "{{ ''.__class__.mro() }}",
            "templates/mail/ways.txt, line 1: access to attribute '__class__' of 'str' object",
        ),
        (
            "mail/frame.html",
            "{% include '../../keys' %}",
            "templates/mail/frame.html, line 1: ../../keys",
        ),
        (
            BODY,
            b"\xff",
            f"templates/{BODY}, line 1: cannot be read: 'utf-8' codec can't decode byte 0xff",
        ),
    ],
)
def test_an_operators_template_wins_while_it_works(
    name: str, source: str | bytes, fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "templates" / name
    file.parent.mkdir(parents=True)
    sender = Sender.of(settings(data_dir=tmp_path))
    before = render_mail(story(), sender, follows_all=False)
    # seen at once, without a new start
    file.write_bytes(source.encode() if isinstance(source, str) else source)
    found = [render_mail(story(), sender, follows_all=False) for _ in range(2)][-1]
    assert found.html == before.html
    if not fault:
        assert found.text == "Our own https://news.example.org/u/{token} Dyke gives way"
        assert template_faults(settings(data_dir=tmp_path)) == []
        return
    assert found.text == before.text
    assert caplog.text.count(fault) == 1
    assert [said for said in template_faults(settings(data_dir=tmp_path)) if fault in said]


def test_a_template_that_nothing_asks_for_is_named(tmp_path: Path) -> None:
    for name, source in (
        ("mail/entry/boddy.txt", ""),
        ("mail/ways.txt", "{{ leave_url }}{% include 'mail/ours.txt' %}"),
        ("mail/ours.txt", ""),
    ):
        (tmp_path / "templates" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "templates" / name).write_text(source, "utf-8")
    assert template_faults(settings(data_dir=tmp_path)) == [
        "templates/mail/entry/boddy.txt: nothing uses a template of this name"
    ]


def test_an_operators_html_cannot_forget_to_escape(tmp_path: Path) -> None:
    file = tmp_path / "templates/mail/entry/body.html"
    file.parent.mkdir(parents=True)
    file.write_text(
        "<p>{{ story.title }} {{ words.byline(story.byline) }} {{ leave_url }}</p>", "utf-8"
    )
    html = render_mail(
        story(title="<b>1</b>", byline=("<i>",)),
        Sender.of(settings(data_dir=tmp_path)),
        follows_all=False,
    ).html
    assert "&lt;b&gt;1&lt;/b&gt; By &lt;i&gt;" in html


def test_a_sites_words_for_a_story_are_plain_text() -> None:
    given = story(
        subject_prefix="[Tarrow]", mail_intro="Two\nlines & <b>", mail_footer=FULL.mail_footer
    )
    mail = render_mail(given, Sender.of(settings()), follows_all=False)
    assert mail.subject == "[Tarrow] Dyke gives way"
    assert "Two<br>lines &amp; &lt;b&gt;" in mail.html
    assert "Two\nlines & <b>" in mail.text
    for part in (mail.html, mail.text):
        assert FULL.mail_footer in part


def test_a_channel_message_uses_the_channels_language(tmp_path: Path) -> None:
    sender = Sender.of(settings(data_dir=tmp_path))
    told = [render_chat(one, sender, "d1", "de-CH") for one in (story(), *STORIES)]
    assert [one.label for one in told] == [
        "",
        "Eilmeldung",
        "",
        "Aktualisiert",
        "Korrektur",
        "Zurückgezogen",
        "Zurückgezogen",
    ]
    assert told[0].credit == "Von Ann B und Ced D · The Tarrow rises"
    assert told[0].byline == "Ann B, Ced D", "for programs"
    assert folded(told[1:], "d2").title == "6 Meldungen: The Tarrow rises"


def test_an_operators_chat_text_is_escaped_and_cut_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "templates/chat").mkdir(parents=True)
    (tmp_path / "templates/chat/text.txt").write_text(
        "<!channel> {{ sender.name }}: {{ dek }}", "utf-8"
    )
    (tmp_path / "templates/chat/headline.txt").write_text("{{ 1 / 0 }}", "utf-8")
    found = SERVICES["slack"].format(
        render_chat(story(), Sender.of(settings(data_dir=tmp_path)), "d1")
    )[1]
    assert "|Dyke gives way>*\n&lt;!channel&gt; Courier: Leave the Flats\n" in found


@sqlite_only
def test_two_readers_of_an_alert_get_it_in_their_languages_at_one_render_each(
    newsroom: Newsroom, office: Office, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, language in enumerate(("en", "de", "de-AT", "uk", "de")):
        add_subscriber(
            office.db, SYSTEM, f"reader{number}@example.org", stream="floods", language=language
        )
    newsroom.post(title="River rising", byline=("Ann B",), importance=Importance.BREAKING)
    rendered: list[str] = []
    render = Templates.render

    def counted(self: Templates, name: str, *rest: Any, **named: Any) -> str:
        rendered.append(name)
        return render(self, name, *rest, **named)

    monkeypatch.setattr(Templates, "render", counted)
    office.run()
    assert rendered.count("mail/entry/body.html") == 2
    subjects = {mail["To"]: mail["Subject"] for mail in inbox.mails}
    german, english = "Eilmeldung: River rising", "Breaking: River rising"
    assert [subjects[f"reader{n}@example.org"] for n in range(5)] == [
        english,
        german,
        german,
        english,
        german,
    ]
    texts = {mail["To"]: mail.get_body(("plain",)).get_content() for mail in inbox.mails}  # type: ignore[union-attr]
    assert "Von Ann B, " in texts["reader1@example.org"]
    assert "Dieses Thema abbestellen: https://news.example.org/u/" in texts["reader1@example.org"]
    assert "By Ann B, " in texts["reader0@example.org"]


def test_the_document_names_every_template_and_every_word() -> None:
    page = (Path(__file__).parents[3] / "docs/templates.md").read_text("utf-8")
    for path in SHIPPED.rglob("*"):
        assert path.is_dir() or f"`{path.relative_to(SHIPPED)}`" in page, path
