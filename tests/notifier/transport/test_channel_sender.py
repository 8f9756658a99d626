"""A channel's URL at the door, and what the answers of its service mean."""

import logging
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from notifier.message.channel_message import ChannelMessage
from notifier.message.send_errors import Refused, SendError, Sent, Unavailable, Unknown
from notifier.transport import channel_sender, outbound_http
from notifier.transport.channel_sender import check_url, mask, send
from tests.support.bare_server import BareServer

SLACK = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7"
TEAMS = "https://prod-01.westus.logic.azure.com:443/workflows/643e69f83c/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Frun&sv=1.0"
CHAT = "https://chat.googleapis.com/v1/spaces/AAAAk6lGXyM/messages"
NONE: frozenset[str] = frozenset()
MESSAGE = ChannelMessage(
    event="publish",
    uid="d1",
    guid="tag:example.org,2026:1",
    title="River rising",
    url="https://example.org/1",
)


@pytest.mark.parametrize(
    ("url", "service", "masked"),
    [
        (
            "jsons://user:pass@hooks.example.org:8443/in/abcdefghijkl3m9x",
            "webhook",
            "JSON webhook hooks.example.org:8443 …3m9x",
        ),
        (
            "jsons://hooks.example.org/in?+Authorization=Bearer%20abc&+X-Key=k&-room=7",
            "webhook",
            "JSON webhook hooks.example.org …",
        ),
        (SLACK, "slack", "Slack hooks.slack.com …evi7"),
        (
            "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7",
            "slack",
            "Slack hooks.slack.com …evi7",
        ),
        ("https://ntfy.sh/storm-alerts-8c31ffd2", "ntfy", "ntfy ntfy.sh …ffd2"),
        ("ntfys://short", "ntfy", "ntfy ntfy.sh …"),
        ("ntfys://tk_abcdefgh@ntfy.example.org/storm", "ntfy", "ntfy ntfy.example.org …"),
        (
            "https://discord.com/api/webhooks/123456789012345678/AbCdEfGhijkl-1234",
            "discord",
            "Discord discord.com …1234",
        ),
        (f"{TEAMS}&sig=KODuebWbDGYFr0z0eu", "teams", "Teams prod-01.westus.logic.azure.com:443 …"),
        (
            "tgram://123456789:AbCdEfGh_ijklmnopqrstuvw/5551234",
            "telegram",
            "Telegram api.telegram.org 5551234",
        ),
        (
            "tgram://123456789:AbCdEfGh_ijklmnopqrstuvw/-1001234",
            "telegram-group",
            "Telegram group api.telegram.org -1001234",
        ),
        (
            "tgram://123456789:AbCdEfGh_ijklmnopqrstuvw/@news?topic=7",
            "telegram-group",
            "Telegram group api.telegram.org @news",
        ),
        (
            "matrixs://syt_abcdef@matrix.example.org/!room:example.org",
            "matrix",
            "Matrix matrix.example.org !room:example.org",
        ),
        (
            "https://mattermost.example.org/hooks/yobjmukpaw3r3urc5h6i369yima",
            "mattermost",
            "Mattermost mattermost.example.org …yima",
        ),
        (
            f"{CHAT}?key=AIzaSyDdI0hCZtE6&token=O7bnyri_WEXKcyFk",
            "google-chat",
            "Google Chat chat.googleapis.com …",
        ),
        ("gotifys://push.example.org/AbCdEf123456789x", "gotify", "Gotify push.example.org …789x"),
        (
            "rockets://abc123def456/ghi789jkl012@chat.example.org",
            "rocketchat",
            "Rocket.Chat chat.example.org …",
        ),
        (
            "zulip://story@chat.example.org/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/news",
            "zulip",
            "Zulip chat.example.org news",
        ),
        (
            "pover://uQiRzpo4DXghDmr9QzzfQu27cmVRsG@azGDORePK8gMaC0QOYAMyEEuzJnyUi",
            "pushover",
            "Pushover api.pushover.net …nyUi",
        ),
    ],
)
def test_a_good_url_is_taken_and_masked(url: str, service: str, masked: str) -> None:
    assert check_url(f" {url} ", NONE) == channel_sender.CheckedChannel(service, masked)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "news.localhost",
        "10.0.0.1",
        "169.254.169.254",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
    ],
)
@pytest.mark.parametrize("form", ["jsons://{}/hook", "ntfys://{}/topic"])
def test_a_private_host_is_refused_however_it_is_spelt(host: str, form: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        check_url(form.format(host), NONE)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "   ",
        "hello",
        "://",
        "jsons://",
        "jsons:///path",
        "https://example.org/hook",
        "http://example.org/hook",
        "mailto://ann:pw@example.org",
        "mailtos://example.org",
        "syslog://",
        "dbus://",
        "windows://",
        "apprise://example.org/token",
        "storymail://example.org",
        "xml://example.org",
        "form://example.org",
        "signals://a.example/+15551234567/+15557654321",
        "file:///etc/passwd",
        "jsons://a.example/x,jsons://b.example/y",
        "jsons://a.example/x jsons://b.example/y",
        "jsons://a.example/x;slack://a/b/c",
        "jsons://a.example/x\nBcc",
        "jsons://a.example/x\x00",
        "jsons://a.example/\x85x",
        "jsons://a.example/\ud800",
        "jsons://a.example:99999/x",
        "jsons://a.example:0/x",
        "jsons://a.example:abc/x",
        "jsons://a.example/" + "x" * 3000,
        "json://a.example/x",
        "ntfy://a.example/topic",
        "ntfys://a.example/one/two",
        "ntfys://a.example/",
        "ntfys://topic?to=other",
        "slack://T1JJ3T3L2/A1BRTD4JD",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7/general",
        "slack://xoxb-1234-1234-4ddbc191d40ee098cbaae6f3523ada2d/general",
        "https://hooks.slack.com/workflows/T1/F2/X3/Y4",
        "https://hooks.slack.com.evil.example/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7",
    ],
)
def test_a_url_that_cannot_be_a_channel_is_one_plain_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as caught:
        check_url(url, NONE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "tgram://123456789:AbCdEfGh_ijklmnopqrstuvw/5551234/-1001234",
        "tgram://123456789:AbCdEfGh_ijklmnopqrstuvw/5551234,-1001234",
        "matrixs://syt_abcdef@matrix.example.org/!one:example.org/!two:example.org",
        "zulip://story@example/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/news/storm",
        "ntfys://ntfy.example.org/one/two",
        "webex://NTkwODUxNTgtZmY4/space1/space2",
        "rockets://abc123def456/ghi789jkl012@chat.example.org/%23one/%23two",
        "pover://user@token/phone/tablet",
    ],
)
def test_a_channel_is_one_place(url: str) -> None:
    with pytest.raises(ValueError, match="A channel is one place"):
        check_url(url, NONE)


@pytest.mark.parametrize(
    ("url", "example"),
    [
        ("discord://only-an-id", "https://discord.com/api/webhooks/…/…"),
        ("workflow://host.example/id", "triggers/manual"),
        ("tgram://123456789:AbCdEfGh_ijklmnopqrstuvw", "tgram://123456789:bot-token/chat-id"),
        ("tgram://123456789:", "chat-id"),
        ("tgram://123456789:AbCdEfGh_ijklmnopqrstuvw/!", "chat-id"),
        ("matrixs://ann:password@matrix.example.org/!room:example.org", "matrixs://access-token@"),
        ("matrixs://syt_abcdef@matrix.example.org/%23alias:example.org", "!room:example.org"),
        ("matrixs://syt_abcdef@matrix.example.org/@ann:example.org", "!room:example.org"),
        ("mmosts://host.example", "mmosts://host.example/webhook-key"),
        ("mmosts://host.example/key?mode=bot", "mode"),
        ("gotifys://host.example", "gotifys://host.example/application-token"),
        ("gchat://space/key", "https://chat.googleapis.com"),
        ("rockets://ann:password@chat.example.org/%23room", "rockets://id/token@host.example"),
        (
            "rockets://abc123def456/ghi789jkl012@chat.example.org/%23room",
            "rockets://id/token@host.example",
        ),
        ("webex://NTkwODUxNTgtZmY4", "webex://bot-token/space-id"),
        ("zulip://story@example/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "zulip://bot-name@"),
        (
            "zulip://story@chat.example.org:8443/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/news",
            "zulip://bot-name@",
        ),
        ("pover://user", "pover://user-key@application-token"),
        ("pover://user@token/%23group", "pover://user-key@application-token"),
        ("https://chat.example.org/hooks/abcdef", "jsons://"),
        ("rockets://abc123def456/ghi789jkl012@chat.example.org/#room", "%23"),
    ],
)
def test_an_incomplete_url_is_answered_with_a_right_one(url: str, example: str) -> None:
    with pytest.raises(ValueError, match=r"\.$") as caught:
        check_url(url, NONE)
    assert example in str(caught.value)


@pytest.mark.parametrize("base", ["jsons://a.example/x", SLACK, "ntfys://a.example/topic"])
@pytest.mark.parametrize(
    "parameter",
    [
        "attach=/etc/passwd",
        "redirect=yes",
        "verify=no",
        "optional=yes",
        "retry=10",
        "wait=20",
        "rto=99999",
        "cto=99999",
        "method=GET",
        "format=html",
        "overflow=split",
        "emojis=yes",
        "template=/etc/passwd",
        "email=all@example.org",
        "delay=1h",
        "tags=a",
        "+Host=internal",
        "+Content-Length=1",
        ":a=b",
    ],
)
def test_a_parameter_that_loosens_something_is_refused(base: str, parameter: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        check_url(f"{base}?{parameter}", NONE)


def test_a_header_cannot_smuggle_another() -> None:
    with pytest.raises(ValueError, match="header"):
        check_url("jsons://a.example/x?+X-One=1%0d%0aHost:%20b.example", NONE)


@pytest.mark.parametrize(
    "url",
    [
        "slack://T1JJ3T3L2/SECRETSECRET!/x",
        "slack://xoxb-SECRETSECRET",
        "jsons://u:SECRETSECRET@127.0.0.1/x",
        "jsons://a.example:99999/SECRETSECRET",
        "jsons://a.example/?SECRETSECRET=1",
        "ntfys://a.example/SECRETSECRET/two",
        "https://example.org/SECRETSECRET",
        "SECRETSECRET://x",
    ],
)
def test_a_refusal_names_no_secret_neither_to_the_user_nor_to_the_log(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ValueError) as caught:
        check_url(url, NONE)
    chain: BaseException | None = caught.value
    while chain is not None and not chain.__suppress_context__:
        assert "SECRET" not in str(chain).upper()
        chain = chain.__cause__ or chain.__context__
    assert "SECRET" not in caplog.text.upper()
    assert "SECRET" not in mask(url).upper()


def test_an_allowed_host_may_be_private_and_unencrypted() -> None:
    allowed = frozenset({"127.0.0.1:8099", "intra.example"})
    assert check_url("json://127.0.0.1:8099/hook", allowed).service == "webhook"
    assert check_url("json://intra.example:1234/hook", allowed).service == "webhook"
    assert check_url("ntfy://intra.example/topic", allowed).service == "ntfy"
    with pytest.raises(ValueError, match="ALLOW_PRIVATE_HOSTS"):
        check_url("json://127.0.0.1:8098/hook", allowed)


def test_what_cannot_be_read_is_masked_whole() -> None:
    assert mask("gAAAAABsecret") == "…"


@pytest.mark.parametrize(
    ("status", "error", "values"),
    [
        (301, Refused, {"code": 301}),
        (400, Refused, {"code": 400, "reason": "400 no such thing"}),
        (401, Refused, {"code": 401}),
        (403, Refused, {"code": 403}),
        (404, Refused, {"code": 404}),
        (408, Unavailable, {"code": 408}),
        (410, Refused, {"code": 410}),
        (413, Refused, {"code": 413}),
        (429, Unavailable, {"code": 429, "retry_after": 30.0}),
        (500, Unavailable, {"code": 500}),
        (502, Unavailable, {"code": 502}),
        (503, Unavailable, {"code": 503, "retry_after": 30.0}),
    ],
)
def test_each_status_has_its_meaning(
    httpserver: HTTPServer,
    hook: str,
    status: int,
    error: type[SendError],
    values: dict[str, object],
) -> None:
    httpserver.expect_request("/hook").respond_with_data(
        "no such thing", status=status, headers={"Retry-After": "30", "Location": "/other"}
    )
    with pytest.raises(error) as caught:
        send(hook, MESSAGE)
    assert {name: getattr(caught.value, name) for name in values} == values
    assert caught.value.stage == "http"
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_status_of_the_200s_is_sent(httpserver: HTTPServer, hook: str, status: int) -> None:
    httpserver.expect_request("/hook").respond_with_data(
        "" if status == 204 else "thanks", status=status
    )
    assert send(hook, MESSAGE) == Sent("204" if status == 204 else f"{status} thanks")


def test_a_target_without_a_server_may_work_later(allow: Callable[..., None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    allow(f"127.0.0.1:{port}")
    with pytest.raises(Unavailable, match="cannot be reached"):
        send(f"json://127.0.0.1:{port}/hook", MESSAGE)


def test_a_target_that_breaks_off_may_have_the_message(
    bare_server: Callable[[Callable[[socket.socket], None]], BareServer], allow: Callable[..., None]
) -> None:
    server = bare_server(lambda connection: connection.recv(65536) and None)
    allow(f"127.0.0.1:{server.port}")
    with pytest.raises(Unknown):
        send(f"json://127.0.0.1:{server.port}/hook", MESSAGE)
    assert server.connections == 1


def test_a_target_that_never_answers_is_unknown_when_the_time_is_over(
    httpserver: HTTPServer, hook: str
) -> None:
    httpserver.expect_request("/hook").respond_with_handler(_slow)
    with pytest.raises(Unknown, match="no answer in time"):
        send(hook, MESSAGE, timeout=0.2)


def _slow(request: Request) -> Response:
    request.environ["werkzeug.socket"].recv(1)  # returns when the client hangs up
    return Response("late")


def test_a_name_that_turns_out_private_is_refused(
    allow: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    allow()
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *a, **k: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))],
    )
    with pytest.raises(Refused, match="private address refused"):
        send("jsons://rebound.example/hook", MESSAGE)


def test_a_stored_url_is_checked_again_when_it_is_used(
    httpserver: HTTPServer, hook: str, allow: Callable[..., None]
) -> None:
    allow()
    with pytest.raises(Refused):
        send(hook, MESSAGE)
    with pytest.raises(Refused):
        send(f"{hook}?verify=no", MESSAGE)
    assert httpserver.log == []


def test_dangerous_url_parameters_are_overridden() -> None:
    url = "jsons://a.example/x?redirect=yes&verify=no&optional=yes&retry=10&wait=20&rto=99999&cto=99999&overflow=split&emojis=yes"
    plugin = channel_sender._plugin(channel_sender._read(url), 10.0)
    assert plugin.verify_certificate is True
    assert plugin.redirects is False
    assert plugin.optional is False
    assert (plugin.retry, plugin.wait, plugin.request_rate_per_sec) == (0, 0.0, 0)
    assert (plugin.socket_connect_timeout, plugin.socket_read_timeout) == (4.0, 10.0)
    assert plugin.overflow_mode.value == "upstream"
    assert plugin.interpret_emojis is False


def test_sending_logs_nothing_of_the_target(
    httpserver: HTTPServer, hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="apprise")
    httpserver.expect_request("/hook-SECRET").respond_with_data("no", status=500)
    with pytest.raises(Unavailable):
        send(f"{hook}-SECRET", MESSAGE)
    assert not [record for record in caplog.records if record.name == "apprise"]


def test_a_stored_reply_has_the_secret_removed(httpserver: HTTPServer, hook: str) -> None:
    def answer(request: Request) -> Response:
        return Response(
            f"Cannot POST {request.path}?{request.query_string.decode()} of"
            f" {request.authorization}",
            404,
        )

    httpserver.expect_request("/hook/abc def/open-sesame").respond_with_handler(answer)
    url = hook.replace("://", "://somebody:hunter22@") + "/abc%20def/open-sesame?-key=0123456789"
    with pytest.raises(Refused) as caught:
        send(url, MESSAGE)
    assert "Cannot POST" in caught.value.reason
    for secret in ("abc def", "sesame", "0123456789", "hunter22", "somebody"):
        assert secret not in caught.value.reason


def test_two_threads_do_not_see_each_others_answers(httpserver: HTTPServer, hook: str) -> None:
    httpserver.expect_request("/hook-1").respond_with_data("one")
    httpserver.expect_request("/hook-2").respond_with_data("two")

    def one(number: int) -> Sent:
        try:
            return send(f"{hook}-{number}", MESSAGE)
        finally:
            outbound_http.close_session()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, [1, 2] * 10)) == [Sent("200 one"), Sent("200 two")] * 10
