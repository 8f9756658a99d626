"""The very HTTP requests that Apprise makes for each service, and what editors' text can do in
them.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request

from notifier.message.channel_message import (
    WORD_JOINER,
    ChannelMessage,
    MessageLine,
    calm,
    cut,
    one_line,
)
from notifier.message.send_errors import Refused, Sent
from notifier.services import SERVICES, slack, webhook
from notifier.transport import outbound_http
from notifier.transport.channel_sender import send
from tests.support.chat_services import MESSAGE, LocalHostAdapter

SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7"
PINGS = "@everyone @here @channel <!channel> <!here|x> <@U123> <!subteam^S1> &lt;!channel&gt;"


@pytest.fixture
def real_hosts(httpserver: HTTPServer, allow: Callable[..., None]) -> Iterator[None]:
    allow(f"{httpserver.host}:{httpserver.port}")
    for host in ("https://hooks.slack.com", "https://ntfy.sh"):
        outbound_http.session().mount(host, LocalHostAdapter(httpserver.url_for("")))
    yield
    outbound_http.close_session()


def only_request(httpserver: HTTPServer) -> Request:
    ((request, _),) = httpserver.log
    return request


def test_the_webhook_posts_the_documented_body(httpserver: HTTPServer, hook: str) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    assert send(hook, MESSAGE, secret=b"s3cret") == Sent("200 ok")

    request = only_request(httpserver)
    assert (request.method, request.headers["Content-Type"]) == ("POST", "application/json")
    assert request.headers["Storywire-Event"] == "correction"
    assert request.headers["Storywire-Delivery"] == "d-7f3a"
    assert json.loads(request.get_data()) == {
        "version": "1",
        "event": "correction",
        "id": "tag:news.example.org,2026:entry/1",
        "delivery": "d-7f3a",
        "stream": {
            "title": "Storm over the coast",
            "url": "https://news.example.org/streams/storm",
        },
        "label": "Correction",
        "title": "River «Тиса» rises & falls",
        "dek": "Third crest passed at noon.",
        "byline": "Anna Li and Bo Chen",
        "url": "https://news.example.org/streams/storm/entries/1",
        "content_text": "Full text.",
        "note": "The level was 4.2 m, not 42 m.",
        "importance": "breaking",
        "tags": ["storm", "coast"],
        "pictures": [],
        "published_at": "2026-03-14T08:00:00+00:00",
        "updated_at": "2026-03-14T09:30:00+00:00",
    }


def test_the_documented_keys_and_code_are_those_of_the_webhook(
    httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    send(
        hook,
        replace(
            MESSAGE, event="digest", lines=(MessageLine("A bridge", "https://news.example.org/1"),)
        ),
        secret=b"s3cret",
    )
    request = only_request(httpserver)
    page = (Path(__file__).parents[3] / "docs" / "webhook.md").read_text()

    body_part = page.split("## Body")[1].split("## Headers")[0]
    documented = {
        name
        for row in re.findall(r"^\| (`.*?) \|", body_part, re.M)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert documented == set(json.loads(request.get_data()))

    code = page.split("```python\n")[1].split("```")[0]
    reader: dict[str, Any] = {}
    exec(code, reader)
    header, body = request.headers["Storywire-Signature"], request.get_data()
    assert reader["verified"](b"s3cret", header, body)
    assert not reader["verified"](b"other", header, body)
    assert not reader["verified"](b"s3cret", header, body + b" ")
    assert not reader["verified"](b"s3cret", re.sub(r"t=\d+", "t=1000", header), body)
    assert not reader["verified"](b"s3cret", "nonsense", body)


def test_the_signature_covers_time_and_body() -> None:
    # Checked with: printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key
    assert (
        webhook.signature(b"key", b'{"a":1}', 1_700_000_000)
        == "t=1700000000,v1=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03"
    )


def test_a_webhook_without_a_secret_is_not_signed(httpserver: HTTPServer, hook: str) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    send(hook, MESSAGE)
    assert "Storywire-Signature" not in only_request(httpserver).headers


def test_a_webhooks_headers_parameters_and_log_in_are_sent(
    httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    send(hook.replace("json://", "json://ann:pw@") + "?+X-Key=k1&-room=a%20b", MESSAGE)
    request = only_request(httpserver)
    assert request.headers["X-Key"] == "k1"
    assert request.args.to_dict() == {"room": "a b"}
    assert request.authorization is not None
    assert (request.authorization.username, request.authorization.password) == ("ann", "pw")


def test_a_webhook_gets_texts_as_written_and_long_ones_cut(
    httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/hook").respond_with_data("ok")
    send(hook, replace(MESSAGE, title=PINGS, dek=PINGS, body_text="word " * 10_000))
    body = json.loads(only_request(httpserver).get_data())
    assert body["title"] == body["dek"] == PINGS
    assert len(body["content_text"]) <= webhook.TEXT_LIMIT
    assert body["content_text"].endswith("word…")
    assert body["url"] == MESSAGE.url


def test_slack_gets_one_mrkdwn_text(httpserver: HTTPServer, real_hosts: None) -> None:
    httpserver.expect_request(
        "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7"
    ).respond_with_data("ok")
    assert send(SLACK, MESSAGE) == Sent("200 ok")
    assert json.loads(only_request(httpserver).get_data()) == {
        "text": (
            "*<https://news.example.org/streams/storm/entries/1|Correction: River «Тиса» rises"
            " &amp; falls>*\nThe level was 4.2 m, not 42 m.\nThird crest passed at"
            " noon.\n<https://news.example.org/streams/storm|Anna Li and Bo Chen · Storm over the"
            " coast>"
        ),
        "mrkdwn": True,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_slacks_refusals_come_with_its_words(httpserver: HTTPServer, real_hosts: None) -> None:
    httpserver.expect_oneshot_request(re.compile("/services/.*")).respond_with_data(
        "no_service", status=404
    )
    with pytest.raises(Refused, match="404 no_service"):
        send(SLACK, MESSAGE)


@given(st.text(max_size=300))
def test_any_text_escaped_for_slack_holds_no_control_and_no_mention(text: str) -> None:
    escaped = slack.escape(text)
    assert not re.search(r"[<>`]|&(?!(amp|lt|gt);)", escaped)
    assert not re.search(r"(?<!\w)@\w", escaped)
    assert not re.search(r"(?<!\w)[*_~]+\w", escaped)


def test_ntfy_gets_plain_text_priority_and_click(httpserver: HTTPServer, real_hosts: None) -> None:
    httpserver.expect_request("/").respond_with_data("{}")
    assert send("https://ntfy.sh/storm-alerts", MESSAGE) == Sent("200 {}")
    request = only_request(httpserver)
    assert json.loads(request.get_data()) == {
        "topic": "storm-alerts",
        "title": "Correction: River «Тиса» rises & falls",
        "message": (
            "The level was 4.2 m, not 42 m.\n\nThird crest passed at noon.\n\nAnna Li and Bo Chen ·"
            " Storm over the coast\nhttps://news.example.org/streams/storm/entries/1"
        ),
    }
    assert request.headers["X-Priority"] == "max"
    assert request.headers["X-Click"] == MESSAGE.url
    assert not {"X-Icon", "X-Markdown", "X-Delay", "X-Email", "X-Tags", "X-Actions"} & set(
        request.headers.keys()
    )


@pytest.mark.parametrize(
    ("importance", "priority"), [("normal", None), ("key", "high"), ("breaking", "max")]
)
def test_ntfys_priority_follows_the_importance(
    httpserver: HTTPServer, hook: str, importance: str, priority: str | None
) -> None:
    httpserver.expect_request("/").respond_with_data("{}")
    url = hook.replace("json://", "ntfy://tk_secret@").replace("/hook", "/storm")
    send(url, replace(MESSAGE, importance=importance))
    request = only_request(httpserver)
    assert request.headers.get("X-Priority") == priority
    assert request.headers["Authorization"] == "Bearer tk_secret"


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())
def test_a_message_with_only_a_title_works_for_every_service(service: Any) -> None:
    title, body, _ = service.format(
        ChannelMessage(event="test", uid="u", guid="g", title="It works")
    )
    assert "It works" in title + body
    assert body


def test_a_text_is_cut_at_a_word() -> None:
    assert cut("one two three", 20) == "one two three"
    assert cut("one two three", 9) == "one two…"
    assert cut("one two three", 8) == "one two…"
    assert cut("one two, three", 10) == "one two…"
    assert cut("没有空格的一句话", 5) == "没有空格…"
    assert cut("abcdefghij k", 5) == "abcd…"


@given(st.text(max_size=200), st.integers(1, 50))
def test_a_cut_text_is_never_too_long(text: str, limit: int) -> None:
    assert len(cut(text, limit)) <= limit


def test_mentions_lose_their_power_and_addresses_stay() -> None:
    assert (
        calm("@here, ann@example.org and @ noon")
        == f"@{WORD_JOINER}here, ann@example.org and @ noon"
    )
    assert one_line(" a\n\tb\x00\u2028c ") == "a b c"
