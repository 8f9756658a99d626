"""One test for each place where we hold on to something of Apprise, requests or urllib3 that no
release promises to keep.

When one fails after an upgrade, its message says what leans on the seam.
"""

import inspect
import logging
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests
import urllib3.util.connection
from apprise.common import NotifyFormat
from apprise.logger import logger as apprise_logger
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.email.base import NotifyEmail
from apprise.plugins.gotify import NotifyGotify
from apprise.plugins.matrix import NotifyMatrix
from apprise.plugins.ntfy import NotifyNtfy
from apprise.plugins.pushover import NotifyPushover
from apprise.plugins.slack import NotifySlack
from apprise.plugins.telegram import NotifyTelegram
from apprise.plugins.webexteams import NotifyWebexTeams
from apprise.plugins.workflows import NotifyWorkflows
from apprise.plugins.zulip import NotifyZulip
from pytest_httpserver import HTTPServer

from config.mail import MailServer
from notifier.services.matrix import Matrix
from notifier.services.ntfy import Ntfy
from notifier.services.slack import Slack
from notifier.services.webhook import Webhook
from notifier.transport import outbound_http
from notifier.transport.apprise_setup import ASSET, with_apprise
from notifier.transport.mailer import StoryMail
from notifier.transport.smtp import MailConnection
from tests.support.certificate import Certificate


class Recorder(Webhook):
    """Notes how Apprise calls ``send``."""

    def send(self, *args: Any, **kwargs: Any) -> bool:
        self.seen = (args, kwargs, threading.current_thread())
        return True


def recorder(**kwargs: Any) -> Recorder:
    return Recorder(**(Recorder.parse_url("jsons://a.example/x") or {}), asset=ASSET, **kwargs)


@pytest.mark.parametrize(
    "body",
    ['{"a": "  *b* <c> &amp; :smile: \\n @x"}', "*<https://a.example|t>*\n_x_ &lt;!channel&gt;"],
)
def test_a_body_without_declared_format_reaches_send_unchanged(body: str) -> None:
    plugin = recorder()
    with_apprise(plugin).notify(body=body, title="", body_format=None)
    args, kwargs, _ = plugin.seen
    assert args == (), (
        "services/webhook.py and slack.py read the body from the keywords: read it from the"
        " arguments too"
    )
    assert kwargs["body"] == body, (
        "Apprise changes a body without format: hand it over as an attribute of the plugin, as"
        " mail.py does"
    )


def test_a_plain_text_body_reaches_ntfy_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = Ntfy(**(Ntfy.parse_url("ntfys://topic") or {}), asset=ASSET)
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(
        plugin, "_send", lambda topic, **kwargs: sent.append(kwargs) or (True, None)
    )
    with_apprise(plugin).notify(body="a *b* <c>\n\nd", title="t & u", body_format=NotifyFormat.TEXT)
    assert (sent[0]["body"], sent[0]["title"]) == (
        "a *b* <c>\n\nd",
        "t & u",
    ), "services/ntfy.py declares TEXT so that nothing is converted"


def test_apprise_sends_in_the_calling_thread() -> None:
    plugin = recorder()
    with_apprise(plugin).notify(body="x")
    assert plugin.seen[2] is threading.current_thread(), (
        "apprise_setup.ASSET no longer bypasses Apprise's pool, where hanging targets starve others"
    )


def test_apprise_swallows_what_a_plugin_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**kwargs: Any) -> bool:
        raise LookupError

    plugin = recorder()
    monkeypatch.setattr(plugin, "send", fail)
    assert not with_apprise(plugin).notify(body="x"), (
        "Apprise lets exceptions out now: StoryMail.send need not keep them"
    )


def test_the_two_time_outs_and_the_clamps_are_what_a_request_uses() -> None:
    plugin = recorder()
    plugin.socket_connect_timeout, plugin.socket_read_timeout = 1.0, 2.0
    assert plugin.request_timeout == (
        1.0,
        2.0,
    ), "channels._plugin clamps the time-outs by these names"
    for name in (
        "verify_certificate",
        "redirects",
        "retry",
        "wait",
        "optional",
        "request_rate_per_sec",
        "overflow_mode",
        "interpret_emojis",
    ):
        assert hasattr(recorder(), name), (
            f"channels._plugin clamps {name}: find what replaced it before taking the upgrade"
        )


def test_parsed_urls_have_the_parts_that_are_checked() -> None:
    parsed = Webhook.parse_url("jsons://u:p@a.example:99999/x?+Host=h&-q=1&:b=2&verify=no")
    assert parsed is not None
    assert (parsed["schema"], parsed["host"], parsed["port"]) == (
        "jsons",
        "a.example",
        99999,
    ), "channels._check_host reads these"
    assert set(parsed["qsd"]) == {
        "+host",
        "-q",
        ":b",
        "verify",
    }, "channels._check_parameters goes through these names"
    assert parsed["qsd+"] == {"Host": "h"}, (
        "channels._check_parameters checks header names and values here"
    )


def test_pasted_urls_are_taken_by_the_plugins_themselves() -> None:
    assert (Slack.parse_native_url("https://hooks.slack.com/services/T1/B1/xyz") or {}).get(
        "token_c"
    ) == "xyz"
    assert (Ntfy.parse_native_url("https://ntfy.sh/topic") or {}).get("mode") == "cloud", (
        "services/ntfy.py tells ntfy.sh from other hosts by mode"
    )
    assert Webhook.parse_native_url("https://a.example/") is None


def test_slack_posts_by_url_and_payload() -> None:
    plugin = Slack(**(Slack.parse_url("slack://T1/B1/xyz") or {}), asset=ASSET)
    calls: list[tuple[str, object]] = []
    plugin._send = lambda url, payload: calls.append((url, payload)) or {"ok": True}
    with_apprise(plugin).notify(body="x")
    ((url, _),) = calls
    assert url == "https://hooks.slack.com/services/T1/B1/xyz", (
        "services/slack.py builds the URL from webhook_url and the three tokens"
    )


def test_ntfy_reads_priority_and_click_from_the_instance(
    httpserver: HTTPServer, allow: Callable[..., None]
) -> None:
    allow(f"{httpserver.host}:{httpserver.port}")
    httpserver.expect_request("/").respond_with_data("{}")
    plugin = Ntfy(
        **(Ntfy.parse_url(f"ntfy://{httpserver.host}:{httpserver.port}/topic") or {}), asset=ASSET
    )
    plugin.priority, plugin.click = "high", "https://a.example/1"
    with_apprise(plugin).notify(body="x")
    headers = httpserver.log[0][0].headers
    assert (headers["X-Priority"], headers["X-Click"]) == (
        "high",
        "https://a.example/1",
    ), "services/ntfy.py sets both on the plugin"


def test_all_of_apprise_logs_to_one_logger() -> None:
    assert apprise_logger is logging.getLogger("apprise"), (
        "keep_secrets filters that logger: filter the new one"
    )


def test_our_mail_plugin_is_enabled_though_mailto_may_not_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(NotifyEmail, "enabled", False)
    plugin = StoryMail(MailConnection(MailServer("127.0.0.1", 25, "plain")), "news@example.org")
    monkeypatch.setattr(plugin, "send", lambda **kwargs: True)
    assert with_apprise(plugin).notify(body="x", title="y"), (
        "a plugin with enabled = True of its own is refused: see NotifyBase"
    )


def test_each_way_of_requests_comes_through_the_tap(
    httpserver: HTTPServer, allow: Callable[..., None]
) -> None:
    allow(f"{httpserver.host}:{httpserver.port}")
    httpserver.expect_request("/").respond_with_data("ok")
    for call in (
        requests.get,
        requests.post,
        requests.put,
        lambda url: requests.request("POST", url),
    ):
        with outbound_http.recording() as seen:
            call(httpserver.url_for("/"))
        assert [answer.status for answer in seen.answers] == [200], (
            "tap.install replaces requests.api.request: find what the plugins call now"
        )
        assert seen.request_left, (
            "tap._PlainConnection is not in use: pool_classes_by_scheme or getresponse changed in"
            " urllib3"
        )


def test_urllib3_connects_by_the_function_that_is_replaced(allow: Callable[..., None]) -> None:
    allow()
    assert urllib3.util.connection.create_connection is outbound_http.create_connection
    with pytest.raises(urllib3.exceptions.NewConnectionError, match="private address"):
        urllib3.connection.HTTPConnection("127.0.0.1", 9, timeout=1).connect()
    with pytest.raises(urllib3.exceptions.NewConnectionError, match="private address"):
        urllib3.connection.HTTPSConnection("127.0.0.1", 9, timeout=1).connect()


def test_the_seams_of_the_chat_services_are_where_they_were() -> None:
    # What they send is read in test_services_contract.py; this says what to look at when that
    # fails.
    def takes(function: Any, *names: str) -> bool:
        return set(names) <= set(inspect.signature(function).parameters)

    assert takes(NotifyDiscord._send, "payload", "params", "rate_limit"), (
        "services/discord.py posts by it, without a second try of a 429"
    )
    assert takes(NotifyWorkflows.gen_payload, "body"), "services/teams.py hands its card over by it"
    assert takes(NotifyMatrix._fetch, "path", "payload", "method", "max_retry_wait"), (
        "services/matrix.py sends by it and waits for no 429"
    )
    assert len(Matrix(**Matrix.parse_url("matrixs://token@a.example/!r:a.example") or {})) == 1, (
        "channels._plugin counts places by len()"
    )


@pytest.mark.parametrize(
    ("plugin", "names", "file"),
    [
        (NotifyGotify, ["priority"], "gotify"),
        (NotifyMatrix, ["discovery", "access_token", "default_retries"], "matrix"),
        (NotifyNtfy, ["priority", "click"], "ntfy"),
        (NotifyPushover, ["priority", "supplemental_url"], "pushover"),
        (NotifySlack, ["webhook_url", "token_a", "token_b", "token_c"], "slack"),
        (NotifyTelegram, ["detect_owner", "targets"], "telegram"),
        (NotifyWebexTeams, ["notify_url", "mode", "targets"], "webex"),
        (NotifyZulip, ["default_hostname"], "zulip"),
    ],
)
def test_plugins_read_what_is_set_on_them(plugin: type, names: list[str], file: str) -> None:
    read = {
        name: re.search(rf"\bself\.{name}\b", inspect.getsource(plugin)) is not None
        for name in names
    }
    assert read == dict.fromkeys(names, True), (
        f"services/{file}.py sets or reads these: find what took the place of those that are gone"
    )


def test_all_connections_share_one_context_that_still_looks_at_names(
    certificate: Certificate, allow: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = outbound_http.create_urllib3_context()
    shared.load_verify_locations(certificate.path)
    monkeypatch.setattr(outbound_http, "_authorities", lambda: shared)
    with HTTPServer("localhost", 0, ssl_context=certificate.server) as server:
        allow(f"localhost:{server.port}", f"127.0.0.1:{server.port}")
        server.expect_request("/").respond_with_data("ok")
        assert requests.post(server.url_for("/")).ok, (
            "tap.Adapter hands its context over by init_poolmanager: see what urllib3 takes now"
        )
        with pytest.raises(requests.exceptions.SSLError, match=r"doesn't match|not valid for"):
            requests.post(f"https://127.0.0.1:{server.port}/")
        with pytest.raises(requests.exceptions.SSLError):
            requests.post(server.url_for("/"), verify=requests.utils.DEFAULT_CA_BUNDLE_PATH)
        assert requests.post(server.url_for("/")).ok, (
            "tap.Adapter.cert_verify no longer keeps what one request trusts from the others"
        )
        outbound_http.close_session()
