"""Outgoing HTTP: pooled sessions, a guard at connect, and a record of the answers.

Apprise's plugins call ``requests`` and report a bare True or False. ``install`` puts our own
request function and connect under them; ``recording`` returns the status, Retry-After and how far
a request got.
"""

import email.utils
import functools
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import requests.api
import requests.utils
import urllib3.util.connection
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse
from urllib3.util.ssl_ import create_urllib3_context

from notifier.message.send_errors import clamp_wait
from notifier.transport import address_guard
from notifier.transport.deadline import deadline

TOTAL_SECONDS = 10.0
"""From the look-up of the name to the last byte of the answer, however slowly a server sends it."""
MAX_ANSWER_BYTES = 64 * 1024
WORDS = 200
"""Characters of an answer's body that are kept for the ledger."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One request's end: a status, or None and the error that came in its place."""

    method: str
    host: str
    status: int | None
    retry_after: float = 0.0
    words: str = ""
    location: str = field(default="", compare=False)  # of a redirect, absolute
    body: bytes = field(default=b"", repr=False, compare=False)


@dataclass(slots=True)
class HttpRecord:
    """Requests and answers of one attempt."""

    secrets: tuple[str, ...] = ()  # what no answer's words may repeat
    answers: list[HttpAnswer] = field(default_factory=list)
    # a whole request was written, so the other side may have acted on it
    request_left: bool = False
    private: bool = False  # the guard refused the address
    expired: bool = False  # the total time was over
    _watched: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, sock: socket.socket) -> None:
        """Let ``hang_up`` reach this connection, also once TLS has taken the socket object over."""
        with self._lock:
            if self.expired:
                raise TimeoutError("the time for this message is over")
            self._watched.append(socket.fromfd(sock.fileno(), sock.family, sock.type))

    def hang_up(self) -> None:
        """End the attempt from another thread: every read and write of it fails at once."""
        with self._lock:
            self.expired = True
            for sock in self._watched:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            for sock in self._watched:
                sock.close()
            self._watched.clear()


# Numbers above these are times, not durations: both are of 1973.
_UNIX_SECONDS = 1e8
_UNIX_MILLISECONDS = 1e11

_current: ContextVar[HttpRecord | None] = ContextVar("storywire_exchange", default=None)
_allow_hosts: frozenset[str] = frozenset()


@contextmanager
def recording(
    seconds: float = TOTAL_SECONDS, secrets: tuple[str, ...] = ()
) -> Iterator[HttpRecord]:
    """Record the requests made inside; after ``seconds`` their connections are shut.

    Where an answer repeats one of ``secrets``, as servers do that name the path that they do not
    know, … takes its place.
    """
    record = HttpRecord(secrets)
    token = _current.set(record)
    try:
        with deadline(seconds, record.hang_up):
            yield record
    finally:
        record.close()
        _current.reset(token)


def retry_after(value: str | None, now: float) -> float:
    """Seconds to wait by a Retry-After header (RFC 9110 section 10.2.3): a number or a date.

    0.0 without a usable one, MAX_RETRY_AFTER_SECONDS at most.
    """
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = email.utils.parsedate_to_datetime(value)
            seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now
        except (ValueError, OverflowError):
            return 0.0
    return clamp_wait(seconds)


def _asked_wait(headers: Mapping[str, str], now: float) -> float:
    """Seconds to wait by Retry-After, or else by what many services send in its place.

    X-RateLimit-Reset-After holds seconds (Discord).  X-RateLimit-Reset holds seconds
    (Mattermost), a Unix time in seconds (Zulip) or in milliseconds (Rocket.Chat).
    """
    if "Retry-After" in headers:
        return retry_after(headers["Retry-After"], now)
    if "X-RateLimit-Reset-After" in headers:
        return retry_after(headers["X-RateLimit-Reset-After"], now)
    try:
        reset = float(headers.get("X-RateLimit-Reset", ""))
    except ValueError:
        return 0.0
    if reset > _UNIX_MILLISECONDS:
        reset /= 1000
    return clamp_wait(reset - now if reset > _UNIX_SECONDS else reset)


class _PlainConnection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3
        _request_left(self.sock)
        return super().getresponse()


class _TlsConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3
        _request_left(self.sock)
        return super().getresponse()


def _request_left(sock: socket.socket | None) -> None:
    # urllib3 asks for the response once the whole request is written; a reused connection is first
    # seen here.
    record = _current.get()
    if record is not None and sock is not None:
        record.request_left = True
        record.watch(sock)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


@functools.cache
def _authorities() -> ssl.SSLContext:
    """Certificate authorities for all connections of the process: loading takes some 15 ms."""
    context = create_urllib3_context()
    context.load_verify_locations(requests.utils.DEFAULT_CA_BUNDLE_PATH)
    return context


class Adapter(HTTPAdapter):
    """Sends, reads at most MAX_ANSWER_BYTES of the answer, and records it."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=_authorities())
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        if verify is True and cert is None:
            # by the authorities in the context: loading them again would take longer than the
            # handshake
            conn.cert_reqs = "CERT_REQUIRED"
        else:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
            conn.conn_kw["ssl_context"] = None  # other requests need not trust its authorities

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        record = _current.get()
        if record is None:
            with recording():
                return self.send(request, *args, **kwargs)
        method = request.method or ""
        host = urlsplit(request.url or "").netloc.rpartition("@")[2]
        try:
            response = super().send(request, *args, **{**kwargs, "stream": True})
        except requests.RequestException as exc:
            record.answers.append(HttpAnswer(method, host, None, words=type(exc).__name__))
            raise
        body = _read(response)
        record.answers.append(
            HttpAnswer(
                method,
                host,
                response.status_code,
                _asked_wait(response.headers, time.time()),
                _words(body, record.secrets),
                _location(request, response),
                body,
            )
        )
        return response


def _location(request: requests.PreparedRequest, response: requests.Response) -> str:
    location = response.headers.get("Location", "")
    try:
        return urljoin(request.url or "", location) if location else ""
    except ValueError:  # such as a host in broken brackets
        return ""


def _read(response: requests.Response) -> bytes:
    """The answer's first bytes, still encoded as sent: never unpacked, so a small answer cannot
    grow.
    """
    raw = response.raw
    body = b""
    # The status is known by now, so an answer that breaks off here is an answer all the same.
    with suppress(HTTPError, OSError):
        body = raw.read(MAX_ANSWER_BYTES, decode_content=False)
    if not raw.closed:
        raw.close()
    raw.release_conn()
    response.raw = io.BytesIO(body)
    return body


def _words(body: bytes, secrets: tuple[str, ...]) -> str:
    text = body[: 4 * WORDS].decode("utf-8", "replace")
    for secret in secrets:
        text = text.replace(secret, "…")
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:WORDS]


class _Local(threading.local):
    session: requests.Session | None = None
    allow_hosts: frozenset[str] = frozenset()


_local = _Local()


def session() -> requests.Session:
    """This thread's open connections; a changed list of allowed hosts begins anew, so that none
    outlives it.
    """
    if _local.session is None or _local.allow_hosts is not _allow_hosts:
        close_session()
        fresh = requests.Session()
        for prefix in ("http://", "https://"):
            fresh.mount(prefix, Adapter())
        _local.session = fresh
        _local.allow_hosts = _allow_hosts
    return _local.session


def close_session() -> None:
    """Close this thread's open connections, as a worker thread does before it ends."""
    if _local.session is not None:
        _local.session.close()
        _local.session = None


def request(
    method: str,
    url: str,
    *,
    timeout: Any = None,
    verify: Any = True,
    cert: Any = None,
    **parts: Any,
) -> requests.Response:
    """Stands in for ``requests.request``, without what a session of theirs would do around one
    request.

    So it never follows a redirect, keeps a cookie, or asks the environment for a password or a
    proxy, which would connect in our place.
    """
    prepared = requests.PreparedRequest()
    prepared.prepare_method(method)
    prepared.prepare_url(url, parts.get("params"))
    prepared.prepare_headers(
        {name: value for name, value in (parts.get("headers") or {}).items() if value is not None}
    )
    prepared.prepare_body(parts.get("data"), parts.get("files"), parts.get("json"))
    prepared.prepare_auth(parts.get("auth"), url)  # last, since it may look at all the others
    return session().get_adapter(url).send(prepared, timeout=timeout, verify=verify, cert=cert)


def create_connection(
    address: tuple[str, int],
    timeout: float | None = None,
    source_address: tuple[str, int] | None = None,
    socket_options: Sequence[tuple[int, int, int | bytes]] | None = None,
) -> socket.socket:
    """Stands in for urllib3's function of that name. SMTP does not come this way: the mail server
    is the operator's own.
    """
    record = _current.get()
    try:
        sock = address_guard.connect(
            *address,
            allow_hosts=_allow_hosts,
            timeout=timeout,
            source=source_address,
            options=tuple(socket_options or ()),
        )
    except address_guard.PrivateAddress:
        if record is not None:
            record.private = True
        raise
    if record is not None:
        try:
            record.watch(sock)
        except OSError:
            sock.close()
            raise
    return sock


def allowed_hosts() -> frozenset[str]:
    """The list that ``install`` was given."""
    return _allow_hosts


def install(allow_hosts: frozenset[str]) -> None:
    """Replace the request function of ``requests`` and urllib3's connect in this process. May be
    called again, also with another list.
    """
    global _allow_hosts
    if allow_hosts != _allow_hosts:
        _allow_hosts = allow_hosts
    # the stubs spell out each option
    requests.request = requests.api.request = request  # type: ignore[assignment]
    urllib3.util.connection.create_connection = create_connection  # type: ignore[assignment]
