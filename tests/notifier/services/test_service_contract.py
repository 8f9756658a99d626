"""The very request that Apprise makes for each chat service: one a message, told natively, cut at
the service's limit, and harmless.
"""

import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pytest_httpserver import HTTPServer
from werkzeug import Request

from models.text.bare_addresses import addresses_in
from notifier.message.channel_message import WORD_JOINER, ChannelMessage, folded, outside_addresses
from notifier.message.send_errors import Sent, Unavailable
from notifier.services import SERVICES, dialect, discord
from notifier.transport.channel_sender import check_url, send
from tests.support.chat_services import (
    CASES,
    KEY,
    MESSAGE,
    Case,
)
from tests.support.examples import examples

HOSTILE = (
    "@everyone @here @channel @all @room @**all** @_**ann** _@channel x.@all <!channel> <!here|x>"
    " <@U123> <@&7> <@all> <users/all> [x](tg://user?id=1) [y](http://evil.example)"
    " ![i](http://evil.example/i.png) <b>hi</b> <at>Ann</at> &lt;!channel&gt; &amp;"
    " https://a.example/b_c *bold* **bold** _it_ ~~gone~~ ||spoiler|| `code` snake_case ```\n#"
    " heading\n> quote\n- list\n1. one\n    block\n</a></b> 50 % < 60 %"
)
READ = {
    "∗": "*",
    "ˍ": "_",
    "∼": "~",
    "ˋ": "`",
    "‹": "<",
    "›": ">",
    "［": "[",
    "］": "]",
    WORD_JOINER: "",
}


each = pytest.mark.parametrize("name", CASES)


class ShownMessage(HTMLParser):
    """What a reader sees of HTML: the words, and where the links lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words, self.links, self.tags = "", [], set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href"]
        self.words += "\n" if tag == "br" else ""

    def handle_data(self, data: str) -> None:
        self.words += data


def shown(case: Case, text: str) -> tuple[str, list[str | None]]:
    """The words and links of a message as its service would show it; fails on any other markup."""
    if case.marks == "plain":
        return text.replace(WORD_JOINER, ""), re.findall(r"^https?://\S+$", text, re.M)
    page = {"html": str, "markdown": _from_markdown, "mrkdwn": _from_angles, "chat": _from_chat}[
        case.marks
    ](text)
    seen = ShownMessage(page)
    assert seen.tags <= {"b", "strong", "em", "a", "br", "p"}
    assert len(re.findall(r"<(?:b|strong|em)>", page)) == 1  # the headline
    return "".join(READ.get(c, c) for c in seen.words), seen.links


def _from_markdown(text: str) -> str:
    return MarkdownIt("commonmark", {"breaks": True}).enable("strikethrough").render(text)


def _from_angles(text: str) -> str:
    inside = re.sub(r"\*(<.*?>)\*\n", r"\1\n", text, count=1)
    # a link may have no words of its own
    inside = re.sub(r"<([^|>]*)\||<https?:[^|>]*>", "<", inside)
    assert not re.search(r"(?<!\w)[*_~]|[*_~](?!\w)|`", inside)
    linked = re.sub(
        r"<(https?:[^|>]*)>",
        r'<a href="\1">\1</a>',
        re.sub(r"<([^|>]*)\|([^>]*)>", r'<a href="\1">\2</a>', text),
    )
    return re.sub(r"\*(<a.*?</a>)\*", r"<b>\1</b>", linked)


def _from_chat(text: str) -> str:
    """Google Chat: angles without entities."""
    return _from_angles(text.replace("&", "&amp;"))


def told(server: HTTPServer, name: str, message: ChannelMessage) -> Request:
    """The one request that ``message`` becomes."""
    server.clear()
    server.expect_request(re.compile(".*")).respond_with_json({})
    assert send(CASES[name].url, message) == Sent("200 {}")
    ((request, _),) = server.log
    assert request.path == CASES[name].path
    return request


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_every_chat_service_is_tried_here() -> None:
    assert set(CASES) | {"webhook"} == set(SERVICES)
    assert [
        name for name, case in CASES.items() if check_url(case.url, frozenset()).service != name
    ] == []


def test_the_documents_give_each_service_an_example_and_its_pace() -> None:
    page = (Path(__file__).parents[3] / "docs" / "channels.md").read_text("utf-8")
    rows = {row.split(" | ")[0].strip("[]| "): row for row in re.findall(r"^\| .*$", page, re.M)}
    for service in SERVICES.values():
        row = next(
            row
            for label, row in rows.items()
            if label.startswith(service.label.removesuffix(" group"))
        )
        if service.name != "webhook":
            assert f"{service.pace_seconds:g} s" in row
        assert service.example.split("/")[0] in row or service.name == "teams"


@each
def test_a_correction_is_sent_with_its_note_and_links(everywhere: HTTPServer, name: str) -> None:
    request = told(everywhere, name, MESSAGE)
    case = CASES[name]
    words, links = shown(case, case.text(request))
    lines = [line for line in words.splitlines() if line.strip() and not line.startswith("http")]
    assert [*filter(None, [case.title(request)]), *lines] == [
        "Correction: River «Тиса» rises & falls",
        "The level was 4.2 m, not 42 m.",
        "Third crest passed at noon.",
        "Anna Li and Bo Chen · Storm over the coast",
    ]
    assert links == {"plain": [MESSAGE.url] * (name != "pushover")}.get(
        case.marks, [MESSAGE.url, MESSAGE.stream_url]
    )


@each
def test_editors_text_pings_nobody_and_stays_readable(everywhere: HTTPServer, name: str) -> None:
    evil = replace(
        MESSAGE, title=HOSTILE, dek=HOSTILE, note=HOSTILE, byline=HOSTILE, stream_title=HOSTILE
    )
    request = told(everywhere, name, evil)
    case = CASES[name]
    text = case.text(request)
    words, links = shown(case, text)
    typed = {address for _, address in addresses_in(HOSTILE)}  # which lead where they say
    ours = (
        [MESSAGE.url, MESSAGE.stream_url]
        if case.marks != "plain"
        else [MESSAGE.url] * (name != "pushover")
    )
    assert [link for link in links if link not in typed] == ours
    assert squeezed(HOSTILE)[:180] in squeezed(words)
    if case.marks != "plain" and name != "teams":  # these know no mentions, or only declared ones
        assert not re.search(r"(?<![^\W_])@[^\s\u2060]|<[!@#&]|<users", text)


@each
@pytest.mark.parametrize("word", ["слово", "🌊&<b>*x*"])
def test_a_long_text_is_cut_to_what_the_service_takes(
    everywhere: HTTPServer, name: str, word: str
) -> None:
    dek = f"{word} " * (60_000 // len(word))
    request = told(everywhere, name, replace(MESSAGE, title=dek, dek=dek, note="", byline=""))
    case = CASES[name]
    text = case.text(request)
    words, links = shown(case, text)
    assert MESSAGE.url in links or name == "pushover"
    assert case.size(text) <= case.limit
    # which are limited by their JSON, too
    assert case.size(text) > case.limit / 2 or name in {"teams", "ntfy"}
    assert len(request.get_data()) <= (28_000 if name == "teams" else 64_000)
    assert len(case.title(request)) <= 250
    body = max(words.splitlines(), key=len)
    assert body.endswith("…")
    assert squeezed(dek).startswith(squeezed(body[:-1]))

    everything = told(
        everywhere,
        name,
        replace(MESSAGE, title=dek, dek=dek, note=dek, byline=dek, stream_title=dek),
    )
    assert case.size(case.text(everything)) <= case.limit
    assert len(everything.get_data()) <= (28_000 if name == "teams" else 64_000)


ADDRESSES = [
    "https://mastodon.example/@anna/110",
    "https://www.google.com/maps/@52.52,13.40,15z",
    "https://people.example.org/~anna/",
    "https://example.org/_next/data_/x",
    "https://example.org/wiki/*star*",
    "https://example.org/a_b_c",
    "https://example.org/?a=1&lang=en&copy=2",
    "https://example.org/a:100:b;c=d",
    "https://example.org/wiki/A_(B)#c~d`e|f",
    "https://example.org/-_-/#-1.",
]


@each
def test_web_addresses_in_a_text_stay_as_they_are(everywhere: HTTPServer, name: str) -> None:
    """RFC 3986 section 2.4: an address with a character more leads elsewhere."""
    addresses = [address.rstrip(".") for address in ADDRESSES]
    dek = "".join(f"- *See* @anna: {address}.\n" for address in addresses)
    case = CASES[name]
    text = case.text(told(everywhere, name, replace(MESSAGE, dek=dek, note="")))
    text = html.unescape(text) if case.marks in {"html", "mrkdwn"} else text
    for address in addresses:
        assert re.search(rf"[\s<]{re.escape(address)}(?=[>.])", text), address


@pytest.mark.parametrize("name", ["matrix", "telegram", "telegram-group"])
def test_web_addresses_in_a_headline_stay_as_they_are_where_links_hold_any_text(
    everywhere: HTTPServer, name: str
) -> None:
    title = "See https://example.org/@anna/_x_?a=1&b=2 soon"
    request = told(everywhere, name, replace(MESSAGE, title=title, label=""))
    texts = (
        [value for value in request.get_json().values() if isinstance(value, str)]
        if request.is_json
        else [request.form["text"]]
    )
    said = [html.unescape(text) for text in texts if "soon" in text]
    assert said
    assert all(title in text for text in said)


def test_a_url_pings_nobody() -> None:
    for word in ("all", "channel", "everyone", "here", "room", "**all**/"):
        assert (
            outside_addresses(f"https://example.org/@{word}", str)
            == f"https://example.org/%40{word}"
        )
    assert outside_addresses("https://example.org/@allan", str) == "https://example.org/@allan"


@each
def test_short_codes_of_emoji_are_shown_as_typed(everywhere: HTTPServer, name: str) -> None:
    typed = "parser.js:100:14 fails :warning: :+1::custom_emoji:"
    request = told(
        everywhere, name, replace(MESSAGE, title=typed, dek=typed, note=typed, stream_title=typed)
    )
    case = CASES[name]
    text = case.text(request)
    words, _ = shown(case, text)
    assert words.count(typed) >= 3 if case.marks != "plain" else typed in words
    if name in {"slack", "discord", "mattermost", "zulip", "rocketchat"}:
        assert not re.search(r":[\w+'-]+:", text)


@each
@pytest.mark.parametrize(
    "cluster", ["👩\u200d👩\u200d👧\u200d👦", "e\u0323\u0301", "क\u094dष\u093f", "🇺🇦"]
)
def test_a_long_text_ends_with_a_whole_character(
    everywhere: HTTPServer, name: str, cluster: str
) -> None:
    request = told(
        everywhere,
        name,
        replace(MESSAGE, label="", title=cluster * 300, dek=cluster * 20_000, note="", byline=""),
    )
    case = CASES[name]
    words, _ = shown(case, case.text(request))
    cut_short = [
        line.removesuffix("…")
        for line in [*words.splitlines(), case.title(request)]
        if line.endswith("…")
    ]
    assert cut_short
    assert all(line == cluster * (len(line) // len(cluster)) for line in cut_short)


@each
def test_many_messages_are_sent_as_one(everywhere: HTTPServer, name: str) -> None:
    many = [
        replace(MESSAGE, title=f"Crest *{n}*", url=f"https://news.example.org/e/{n}", label="")
        for n in range(300)
    ]
    case = CASES[name]
    request = told(everywhere, name, folded(many[:3], uid="d-7f3a"))
    words, links = shown(case, case.text(request))
    lines = [line for line in words.splitlines() if line.strip() and not line.startswith("http")]
    assert [*filter(None, [case.title(request)]), *lines] == [
        "3 updates: Storm over the coast", "• Crest *0*", "• Crest *1*", "• Crest *2*",
    ]  # fmt: skip
    assert set(links) >= {"https://news.example.org/e/0", "https://news.example.org/e/2"}

    words, _ = shown(case, case.text(told(everywhere, name, folded(many, uid="d-7f3a"))))
    assert case.size(words) <= case.limit
    left_out = re.search(r"… \+(\d+)", words)
    assert words.count("• Crest") + int(left_out[1] if left_out else 0) == 300


@each
def test_a_busy_service_gets_one_request_until_its_retry_after(
    everywhere: HTTPServer, name: str
) -> None:
    everywhere.expect_request(re.compile(".*")).respond_with_json(
        {"retry_after_ms": 90_000}, status=429, headers={"Retry-After": "90"}
    )
    with pytest.raises(Unavailable) as busy:
        send(CASES[name].url, MESSAGE, timeout=2)
    assert busy.value.retry_after == 90.0
    assert len(everywhere.log) == 1


def test_discord_requests_allow_no_mentions(everywhere: HTTPServer) -> None:
    request = told(everywhere, "discord", MESSAGE)
    payload = json.loads(request.get_data())
    assert (payload["allowed_mentions"], payload["flags"]) == ({"parse": []}, discord.NO_PREVIEWS)
    assert request.args.to_dict() == {"wait": "true"}


def test_teams_gets_a_card_without_markdown_and_mentions(everywhere: HTTPServer) -> None:
    request = told(everywhere, "teams", replace(MESSAGE, dek="<at>Ann</at> **bold**"))
    payload = json.loads(request.get_data())
    content = payload["attachments"][0]["content"]
    assert (payload["type"], content["type"], content["msteams"]) == (
        "message",
        "AdaptiveCard",
        {"width": "full"},
    )
    assert {block["type"] for block in content["body"]} == {"RichTextBlock"}
    assert content["actions"] == [
        {"type": "Action.OpenUrl", "title": "news.example.org", "url": MESSAGE.url}
    ]
    assert request.args["sig"] == "KODuebWbDGYFr0z0eu"


@pytest.mark.parametrize(
    ("name", "chat"), [("telegram", 5551234), ("telegram-group", -1001234567890)]
)
def test_telegram_gets_html_without_a_preview(everywhere: HTTPServer, name: str, chat: int) -> None:
    payload = json.loads(told(everywhere, name, MESSAGE).get_data())
    assert (payload["chat_id"], payload["parse_mode"], payload["disable_web_page_preview"]) == (
        chat,
        "HTML",
        True,
    )


def test_a_matrix_server_can_drop_a_duplicate_and_mentions_nobody(everywhere: HTTPServer) -> None:
    request = told(everywhere, "matrix", replace(MESSAGE, dek="@room come <b>all</b>"))
    event = json.loads(request.get_data())
    assert (request.method, request.headers["Authorization"]) == ("PUT", "Bearer syt_abcdefgh")
    assert (event["msgtype"], event["format"], event["m.mentions"]) == (
        "m.text",
        "org.matrix.custom.html",
        {},
    )
    assert f"@{WORD_JOINER}room come <b>all</b>\n" in event["body"]
    assert MESSAGE.url in event["body"]
    assert SERVICES["matrix"].retry_unknown


def test_zulip_gets_a_topic_for_each_story(everywhere: HTTPServer) -> None:
    request = told(everywhere, "zulip", replace(MESSAGE, stream_title="Storm " * 20))
    assert (request.form["type"], request.form["to"]) == ("stream", "news")
    assert re.fullmatch(r"(Storm ){8,9}Storm…", request.form["topic"])
    assert len(request.form["topic"]) <= 60
    assert request.authorization is not None
    assert (request.authorization.username, request.authorization.password) == (
        "story-bot@example.zulipchat.com",
        KEY,
    )


def test_telephones_ring_by_importance(everywhere: HTTPServer) -> None:
    for importance, numbers in {"normal": (5, 0), "key": (8, 0), "breaking": (10, 1)}.items():
        loud = replace(MESSAGE, importance=importance)
        pushed = told(everywhere, "gotify", loud)
        assert (json.loads(pushed.get_data())["priority"], pushed.headers["X-Gotify-Key"]) == (
            numbers[0],
            "AbCdEf123456789",
        )
        pushed = told(everywhere, "pushover", loud)

        assert (pushed.form["priority"], pushed.form["url"]) == (str(numbers[1]), MESSAGE.url)


def test_a_bot_of_webex_writes_to_its_space(everywhere: HTTPServer) -> None:
    everywhere.expect_request("/v1/messages").respond_with_json({})
    send("webex://NTkwODUxNTgtZmY4/Y2lzY29zcGFyazovL3Vz", MESSAGE)
    ((request, _),) = everywhere.log
    assert (json.loads(request.get_data())["roomId"], request.headers["Authorization"]) == (
        "Y2lzY29zcGFyazovL3Vz", "Bearer NTkwODUxNTgtZmY4",
    )  # fmt: skip


@examples(150)
@given(
    st.text(
        st.characters(exclude_categories=["C", "Zl", "Zp"], include_characters="\n"), max_size=300
    )
)
def test_any_text_in_markdown_shows_as_typed(text: str) -> None:
    for escape in (dialect.backslashes, dialect.lookalikes):
        seen = ShownMessage(_from_markdown(f"x\n{escape(text)}"))
        assert seen.tags <= {"p", "br"}
        read = "".join(READ.get(c, c) for c in seen.words)
        assert squeezed(read.removeprefix("x")) == squeezed("".join(READ.get(c, c) for c in text))
