"""What each end of an attempt means, as a table: every status and every fault of a connection, for
every service.
"""

import re
import socket
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from notifier.message.send_errors import (
    MAX_RETRY_AFTER_SECONDS,
    Refused,
    SendError,
    Unavailable,
    Unknown,
)
from notifier.services import SERVICES
from notifier.transport import outbound_http
from notifier.transport.channel_sender import send
from tests.support.bare_server import BareServer, closed_port
from tests.support.certificate import Certificate
from tests.support.chat_services import CASES, MESSAGE, LocalHostAdapter

URLS = {name: case.url for name, case in CASES.items()} | {
    "webhook": "jsons://hooks.example.org/hook"
}
each = pytest.mark.parametrize("name", URLS)
TELLING = [
    300,
    301,
    302,
    303,
    304,
    307,
    308,
    400,
    401,
    403,
    404,
    405,
    408,
    410,
    413,
    421,
    422,
    425,
    429,
    451,
    499,
    500,
    502,
    503,
    504,
    599,
]
TEMPORARY = {408, 421, 425, 429}


def expected(status: int) -> type[SendError]:
    """RFC 9110 section 15: what the same request may come to later."""
    return Unavailable if status in TEMPORARY or status >= 500 else Refused


def outcome(name: str, timeout: float = 5) -> SendError:
    with pytest.raises(SendError) as caught:
        send(URLS[name], MESSAGE, timeout=timeout)
    return caught.value


def test_every_service_is_in_the_table() -> None:
    assert URLS.keys() == SERVICES.keys()


@each
def test_each_status_has_one_meaning_for_every_service(everywhere: HTTPServer, name: str) -> None:
    statuses = iter(range(300, 600) if name == "webhook" else TELLING)
    told: list[int] = []

    def answer(request: Request) -> Response:
        told.append(next(statuses))
        return Response(status=told[-1])

    everywhere.expect_request(re.compile(".*")).respond_with_handler(answer)
    found = {}
    for _ in range(300 if name == "webhook" else len(TELLING)):
        ended = outcome(name)
        found[ended.code] = type(ended)
    assert found == {status: expected(status) for status in told}
    assert len(everywhere.log) == len(told) == len(found)


@each
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_names_the_new_host_alone(
    everywhere: HTTPServer,
    name: str,
    status: int,
) -> None:
    location = "https://me:open-sesame@New.Example.org:8443/secret-path?token=hidden"
    everywhere.expect_request(re.compile(".*")).respond_with_data(
        status=status, headers={"Location": location}
    )
    reason = outcome(name).reason
    assert f"{status}: " in reason
    assert "redirects to new.example.org, and redirects are not followed" in reason
    for secret in ("sesame", "secret-path", "hidden"):
        assert secret not in reason
    assert len(everywhere.log) == 1


@pytest.mark.parametrize(
    "location", ["", "http://[broken", "https://:99999999/", "\\\\x", "mailto:me@example.org"]
)
def test_a_redirect_to_nowhere_is_a_refusal_all_the_same(
    bare_server: Callable[[Callable[[socket.socket], None]], BareServer],
    allow: Callable[..., None],
    location: str,
) -> None:
    answer = f"HTTP/1.1 301 Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    server = bare_server(talk)
    allow(f"127.0.0.1:{server.port}")
    with pytest.raises(Refused, match="redirects are not followed"):
        send(f"json://127.0.0.1:{server.port}/hook", MESSAGE)


def reset(connection: socket.socket) -> None:
    connection.recv(65536)
    # RST in place of FIN
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def half_an_answer(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 2")


@each
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("refused connection", Unavailable),
        ("no such name", Unavailable),
        ("untrusted certificate", Unavailable),
        ("no TLS", Unavailable),
        ("broken off after the request", Unknown),
        ("reset after the request", Unknown),
        ("half an answer", Unknown),
        ("no answer", Unknown),
    ],
)
def test_each_fault_of_a_connection_has_one_meaning_for_every_service(
    allow: Callable[..., None],
    bare_server: Callable[[Callable[[socket.socket], None]], BareServer],
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    fault: str,
    error: type[SendError],
) -> None:
    ended = threading.Event()
    talks: dict[str, Callable[[socket.socket], object]] = {
        "no TLS": lambda connection: (
            connection.recv(65536) and connection.sendall(b"HTTP/1.1 400 no\r\n\r\n")
        ),
        "broken off after the request": lambda connection: connection.recv(65536),
        "reset after the request": reset,
        "half an answer": half_an_answer,
        "no answer": lambda connection: ended.wait(30),
    }
    port, scheme, host = closed_port(), "http", "127.0.0.1"
    if fault in talks:
        port, scheme = bare_server(talks[fault]).port, "https" if fault == "no TLS" else "http"  # type: ignore[arg-type]
    if fault == "no such name":
        host = "nowhere.invalid"
        looked_up = socket.getaddrinfo

        def unknown(name: str, *args: object, **options: object) -> object:
            if name == host:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return looked_up(name, *args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
    allow(f"{host}:{port}")
    if fault == "untrusted certificate":
        with HTTPServer("localhost", 0, ssl_context=certificate.server) as server:
            allow(f"localhost:{server.port}")
            found = _sent_to(f"https://localhost:{server.port}", name)
    else:
        found = _sent_to(f"{scheme}://{host}:{port}", name)
    ended.set()
    assert isinstance(found, error), found.reason


def _sent_to(base: str, name: str) -> SendError:
    outbound_http.session().mount("https://", LocalHostAdapter(base))
    try:
        return outcome(name, timeout=0.5)
    finally:
        outbound_http.close_session()


@pytest.mark.parametrize(
    ("name", "headers", "body", "seconds"),
    [
        *[(name, {"Retry-After": "100000"}, "", MAX_RETRY_AFTER_SECONDS) for name in URLS],
        ("webhook", {"Retry-After": "Wed, 01 Jan 2200 00:00:00 GMT"}, "", MAX_RETRY_AFTER_SECONDS),
        ("webhook", {"Retry-After": "Wed, 01 Jan 2020 00:00:00 GMT"}, "", 0.0),
        ("webhook", {"Retry-After": "-30"}, "", 0.0),
        ("webhook", {"Retry-After": "in a while"}, "", 0.0),
        ("webhook", {"Retry-After": "9" * 400}, "", 0.0),
        ("webhook", {}, '{"retry_after": 12}', 0.0),  # a service of nobody's that we know
        # https://docs.discord.com/developers/topics/rate-limits: seconds, in the header and in the
        # body
        ("discord", {"X-RateLimit-Reset-After": "1.25"}, "", 1.25),
        (
            "discord",
            {"Retry-After": "65"},
            '{"message": "slow", "retry_after": 64.57, "global": false}',
            65.0,
        ),
        ("discord", {}, '{"message": "slow", "retry_after": 64.57, "global": false}', 64.57),
        ("discord", {}, '{"retry_after": "Infinity"}', 0.0),
        ("discord", {}, '{"retry_after": NaN}', 0.0),
        ("discord", {}, '{"retry_after": [1]}', 0.0),
        ("discord", {}, '["retry_after"]', 0.0),
        ("discord", {}, "[" * 60_000, 0.0),
        # https://core.telegram.org/bots/api#responseparameters
        (
            "telegram",
            {},
            '{"ok": false, "error_code": 429, "parameters": {"retry_after": 35}}',
            35.0,
        ),
        (
            "telegram-group",
            {},
            '{"ok": false, "parameters": {"retry_after": 1e9}}',
            MAX_RETRY_AFTER_SECONDS,
        ),
        ("telegram", {}, '{"ok": false, "parameters": null}', 0.0),
        # https://spec.matrix.org/v1.11/client-server-api/#rate-limiting: milliseconds
        ("matrix", {}, '{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 90000}', 90.0),
        # https://zulip.com/api/rest-error-handling#rate-limit-exceeded
        ("zulip", {}, '{"code": "RATE_LIMIT_HIT", "retry-after": 28.7}', 28.7),
        ("mattermost", {"X-Ratelimit-Reset": "7"}, "", 7.0),  # seconds that are left
        # Unix time in milliseconds
        ("rocketchat", {"X-RateLimit-Reset": "7258118400000"}, "", MAX_RETRY_AFTER_SECONDS),
        ("zulip", {"X-RateLimit-Reset": "1000000000"}, "", 0.0),  # Unix time, past
    ],
)
def test_each_services_own_retry_after_is_honoured_up_to_an_hour(
    everywhere: HTTPServer,
    name: str,
    headers: dict[str, str],
    body: str,
    seconds: float,
) -> None:
    everywhere.expect_request(re.compile(".*")).respond_with_data(body, status=429, headers=headers)
    ended = outcome(name)
    assert isinstance(ended, Unavailable)
    assert ended.retry_after == pytest.approx(seconds)


def test_only_services_that_drop_doubles_are_sent_again_what_may_have_arrived() -> None:
    assert {name for name, service in SERVICES.items() if service.retry_unknown} == {
        "webhook",
        "matrix",
    }
    bodies = {
        name: SERVICES[name].format(replace(MESSAGE, uid="d-0001"))[1] for name in ("webhook",)
    }
    # docs/webhook.md; for Matrix the id is in the path, which the contract test looks at
    assert "d-0001" in bodies["webhook"]
