"""The tap under ``requests``: what it records, what it limits, what it refuses."""

import gzip
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
import requests
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from notifier.message.send_errors import MAX_RETRY_AFTER_SECONDS
from notifier.transport import outbound_http
from tests.support.bare_server import BareServer, receive
from tests.support.certificate import Certificate

Start = Callable[[Callable[[socket.socket], None]], BareServer]


@pytest.fixture
def url(httpserver: HTTPServer, allow: Callable[..., None]) -> str:
    allow(f"{httpserver.host}:{httpserver.port}")
    return httpserver.url_for("/hook")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0),
        ("30", 30.0),
        ("1.5", 1.5),
        ("-5", 0.0),
        ("inf", 0.0),
        ("nan", 0.0),
        ("soon", 0.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:01:00 GMT", 0.0),
        ("Thu, 99 Jan 1970", 0.0),
        ("1e300", MAX_RETRY_AFTER_SECONDS),  # fits no duration
        ("100000", MAX_RETRY_AFTER_SECONDS),
        ("Fri, 02 Jan 1970 00:00:00 GMT", MAX_RETRY_AFTER_SECONDS),
        ("Thu Jan  1 00:02:00 1970", 20.0),  # RFC 9110 section 5.6.7: asctime
        ("Thursday, 01-Jan-70 00:02:00 GMT", 20.0),  # RFC 850
        ("Thu, 01 Jan 99999999999999999999 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float) -> None:
    assert outbound_http.retry_after(header, now=100.0) == seconds


def test_a_recorded_request_has_its_response(httpserver: HTTPServer, url: str) -> None:
    httpserver.expect_request("/hook").respond_with_data(
        "slow\n  down\x00", status=429, headers={"Retry-After": "30"}
    )
    with outbound_http.recording() as seen:
        requests.post(url, data=b"x")
    assert seen.answers == [
        outbound_http.HttpAnswer(
            "POST", f"{httpserver.host}:{httpserver.port}", 429, 30.0, "slow down"
        )
    ]
    assert seen.request_left


def test_a_redirect_is_an_answer_and_not_followed(httpserver: HTTPServer, url: str) -> None:
    httpserver.expect_request("/hook").respond_with_data(
        status=302, headers={"Location": "/elsewhere"}
    )
    with outbound_http.recording() as seen:
        assert requests.post(url, data=b"x", allow_redirects=True).status_code == 302
    assert [request.path for request, _ in httpserver.log] == ["/hook"]
    assert [answer.status for answer in seen.answers] == [302]


def test_sessions_are_shared_but_cookies_are_not_stored(httpserver: HTTPServer, url: str) -> None:
    httpserver.expect_request("/hook").respond_with_data(
        "ok", headers={"Set-Cookie": "who=channel-1"}
    )
    requests.post(url, data=b"x")
    session = outbound_http.session()
    requests.post(url, data=b"x")
    assert outbound_http.session() is session
    assert all("Cookie" not in request.headers for request, _ in httpserver.log)


def test_a_proxy_in_the_environment_is_not_asked(
    httpserver: HTTPServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    httpserver.expect_request("/hook").respond_with_data("ok")
    assert requests.post(url, data=b"x").status_code == 200


def test_a_long_answer_is_read_to_its_cap_only(httpserver: HTTPServer, url: str) -> None:
    httpserver.expect_request("/hook").respond_with_data(b"a" * 1_000_000)
    assert len(requests.post(url, data=b"x").content) == outbound_http.MAX_ANSWER_BYTES


def test_a_packed_answer_is_never_unpacked(httpserver: HTTPServer, url: str) -> None:
    bomb = gzip.compress(b"a" * 10_000_000)

    def answer(request: Request) -> Response:
        assert request.headers["Accept-Encoding"] == "identity"
        return Response(bomb, headers={"Content-Encoding": "gzip"})

    httpserver.expect_request("/hook").respond_with_handler(answer)
    assert requests.post(url, data=b"x").content == bomb


@pytest.mark.parametrize(
    "opening", [b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"]
)
def test_a_slowly_dripping_response_is_cut_at_the_deadline(
    opening: bytes, bare_server: Start, allow: Callable[..., None]
) -> None:
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        receive(connection)
        connection.sendall(opening)
        while not stop.wait(0.05):
            connection.sendall(b"a")

    server = bare_server(drip)
    allow(f"127.0.0.1:{server.port}")
    began = time.monotonic()
    with outbound_http.recording(0.4) as seen, suppress(requests.RequestException):
        requests.post(f"http://127.0.0.1:{server.port}/", data=b"x", timeout=5)
    stop.set()
    assert 0.3 < time.monotonic() - began < 3
    assert seen.expired
    assert seen.request_left


def test_a_drop_before_the_answer_shows_that_the_request_had_left(
    bare_server: Start, allow: Callable[..., None]
) -> None:
    server = bare_server(lambda connection: receive(connection) and None)
    allow(f"127.0.0.1:{server.port}")
    with outbound_http.recording() as seen, pytest.raises(requests.ConnectionError):
        requests.post(f"http://127.0.0.1:{server.port}/", data=b"x")
    assert seen.request_left
    assert seen.answers[0].status is None


def test_without_a_server_no_request_has_left(allow: Callable[..., None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    allow(f"127.0.0.1:{port}")
    with outbound_http.recording() as seen, pytest.raises(requests.ConnectionError):
        requests.post(f"http://127.0.0.1:{port}/", data=b"x")
    assert not seen.request_left
    assert [answer.status for answer in seen.answers] == [None]


def test_a_private_address_is_refused_at_connect(
    httpserver: HTTPServer, allow: Callable[..., None]
) -> None:
    allow()
    with outbound_http.recording() as seen, pytest.raises(requests.ConnectionError):
        requests.get(httpserver.url_for("/"))
    assert seen.private
    assert httpserver.log == []


def test_a_host_that_is_no_longer_allowed_loses_its_open_connections(
    bare_server: Start, allow: Callable[..., None]
) -> None:
    def keep_alive(connection: socket.socket) -> None:
        while receive(connection):
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    server = bare_server(keep_alive)
    allow(f"127.0.0.1:{server.port}")
    url = f"http://127.0.0.1:{server.port}/"
    for _ in range(3):
        with outbound_http.recording():
            assert requests.post(url, data=b"x").status_code == 204
    assert server.connections == 1
    allow()
    with outbound_http.recording() as seen, pytest.raises(requests.ConnectionError):
        requests.post(url, data=b"x")
    assert seen.private


def test_a_reused_connection_is_bounded_in_time_as_well(
    bare_server: Start, allow: Callable[..., None]
) -> None:
    silent = threading.Event()

    def answer_once(connection: socket.socket) -> None:
        receive(connection)
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        connection.recv(65536)
        silent.wait(5)

    server = bare_server(answer_once)
    allow(f"127.0.0.1:{server.port}")
    requests.post(f"http://127.0.0.1:{server.port}/", data=b"x")
    with outbound_http.recording(0.3) as seen, pytest.raises(requests.ConnectionError):
        requests.post(f"http://127.0.0.1:{server.port}/", data=b"x", timeout=5)
    silent.set()
    assert server.connections == 1
    assert seen.expired
    assert seen.request_left


def test_a_slowly_dripping_tls_handshake_is_cut_at_the_deadline(
    bare_server: Start, allow: Callable[..., None]
) -> None:
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x16\x03\x03\x40\x00\x02")  # a handshake record that announces 16 KiB
        while not stop.wait(0.05):
            connection.sendall(b"\x00")

    server = bare_server(drip)
    allow(f"127.0.0.1:{server.port}")
    began = time.monotonic()
    with outbound_http.recording(0.4) as seen, pytest.raises(requests.ConnectionError):
        requests.post(f"https://127.0.0.1:{server.port}/", data=b"x", timeout=5)
    stop.set()
    assert 0.3 < time.monotonic() - began < 3
    assert seen.expired
    assert not seen.request_left


def test_a_connection_with_tls_is_verified_kept_and_recorded(
    certificate: Certificate, allow: Callable[..., None]
) -> None:
    with HTTPServer("localhost", 0, ssl_context=certificate.server) as server:
        allow(f"localhost:{server.port}")
        server.expect_request("/hook").respond_with_data("ok")
        with outbound_http.recording() as seen:
            requests.post(server.url_for("/hook"), data=b"x", verify=str(certificate.path))
        assert (seen.answers[0].status, seen.request_left) == (200, True)
        with outbound_http.recording() as seen, pytest.raises(requests.exceptions.SSLError):
            requests.post(server.url_for("/hook"), data=b"x", verify=True)
        assert not seen.request_left
        outbound_http.close_session()
