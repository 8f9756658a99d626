"""Bodies that arrive slowly, or never, and connections that hold what others need: at the real
server, over real sockets.
"""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.process import listener, web_server
from tests.support.running_site import eventually
from tests.support.small_service import BIG, MAX_BYTES, MAX_PER_ADDRESS
from web.middleware.connections import CROWDED
from web.middleware.overload import MAX_REQUESTS
from web.middleware.proxies import client_key
from web.middleware.request_body import MAX_READS, MAX_READS_PER_CLIENT, Reads

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("small_service")]


class Small:
    """The service of `small_service.py`."""

    def __init__(
        self, port: int, process: subprocess.Popen[bytes], at_end: contextlib.ExitStack
    ) -> None:
        self.port, self.process, self._at_end = port, process, at_end

    def send(self, request: bytes) -> socket.socket:
        """Send bytes over a connection of their own, which stays open until the test is over."""
        sock = self._at_end.enter_context(
            socket.create_connection(("127.0.0.1", self.port), timeout=30)
        )
        sock.sendall(request)
        return sock

    def ask(
        self, path: str = "/", *fields: str, method: str = "GET", body: bytes = b""
    ) -> tuple[int, bytes]:
        """The status and body of an answer."""
        head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *fields])
        return answer(self.send(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body))

    def connections(self) -> int:
        return sum(
            found.status == "ESTABLISHED"
            for found in psutil.Process(self.process.pid).net_connections("tcp")
        )


def answer(sock: socket.socket) -> tuple[int, bytes]:
    """The status and body of the answer that ends a connection; 0 where it ended without one."""
    came = b""
    with contextlib.suppress(ConnectionError):
        while piece := sock.recv(65_536):
            came += piece
    head, _, body = came.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, body


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The port and process of the service that all these tests share."""
    folder = tmp_path_factory.mktemp("small")
    with listener.listen("127.0.0.1", 0) as listens:
        number = str(listens.fileno())
        environment = os.environ | {
            "PYTHONPATH": str(Path(__file__).parents[3]),
            listener.VARIABLE: number,
            "STORYWIRE_DATA_DIR": str(folder),
        }
        process = subprocess.Popen(
            [sys.executable, "-c", "from tests.support import small_service; small_service.main()"],
            env=environment,
            pass_fds=[int(number)],
            cwd=folder,
        )
        # while it still starts
        with socket.create_connection(("127.0.0.1", listens.getsockname()[1]), timeout=90) as first:
            first.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert answer(first)[0] == 200
        yield listens.getsockname()[1], process
        process.kill()
        process.wait()


@pytest.fixture
def small(running: tuple[int, subprocess.Popen[bytes]]) -> Iterator[Small]:
    with contextlib.ExitStack() as at_end:
        service = Small(*running, at_end)
        assert service.ask()[0] == 200
        yield service


HALVES = {
    "length": b"Content-Length: 100\r\n\r\nemail=",
    "nothing": b"Content-Length: 100\r\n\r\n",
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n64\r\nemail=",
    "expect": b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n",
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("connections", [1, 2, 20])
def test_unfinished_bodies_do_not_block_others_and_time_out(
    small: Small, method: str, half: str, connections: int
) -> None:
    slow = [
        small.send(method.encode() + b" /login HTTP/1.1\r\nHost: x\r\n" + HALVES[half])
        for _ in range(connections)
    ]
    assert small.ask("/healthz")[0] == 200
    assert small.ask("/", method="POST", body=b"whole")[0] in {200, 503}
    statuses = Counter(answer(sock)[0] for sock in slow)
    if half == "chunked":
        assert statuses == {411: connections}
    else:
        read = min(connections, MAX_READS_PER_CLIENT)
        assert statuses == {
            status: number for status, number in ((408, read), (503, connections - read)) if number
        }
    assert json.loads(small.ask("/", method="POST", body=b"whole")[1])["sent"] == "whole"
    assert small.process.poll() is None


def test_a_body_that_trickles_in_is_given_up(small: Small) -> None:
    sock = small.send(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n")
    while not select.select([sock], [], [], 0.02)[0]:
        sock.sendall(b"a")
    assert answer(sock)[0] == 408


def test_a_response_in_progress_is_not_cut_for_another_unfinished_body(
    small: Small,
) -> None:
    small.ask("/hold")
    held = small.send(b"GET /held HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    for _ in range(20):
        small.ask()  # so that the clock of the kernel, in steps of up to 10 ms, tells the two apart
    for _ in range(3):
        assert (
            answer(small.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\ne"))[0]
            == 408
        )
    small.ask("/healthz?release")
    assert answer(held)[0] == 200


def test_requests_that_wait_for_an_application_that_hangs_leave_a_thread_to_the_health_check(
    small: Small,
) -> None:
    small.ask("/hold")
    number = MAX_REQUESTS + 20
    waiting = [
        small.send(b"GET /held HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        for _ in range(number)
    ]
    eventually(
        lambda: len(select.select(waiting, [], [], 0)[0]) == 20,
        what="the refusal of those that are too many",
    )
    assert small.ask("/")[0] == 503
    assert small.ask("/healthz?release")[0] == 200
    assert Counter(answer(sock)[0] for sock in waiting) == {200: MAX_REQUESTS, 503: 20}


def test_a_body_that_ends_early_never_reaches_the_application(small: Small) -> None:
    sock = small.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nleave=no")
    sock.shutdown(socket.SHUT_WR)
    status, said = answer(sock)
    assert status == 408 and b"was incomplete" in said


@pytest.mark.parametrize("size", [1, 8_192, MAX_BYTES])
def test_a_body_in_pieces_comes_whole(small: Small, size: int) -> None:
    sock = small.send(
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size
    )
    for _ in range(size // 4_096):
        sock.sendall(b"a" * 4_096)
    sock.sendall(b"a" * (size % 4_096))
    assert len(json.loads(answer(sock)[1])["sent"]) == size


def test_clients_behind_a_proxy_are_counted_each_for_itself(small: Small) -> None:
    half = (
        "POST /login HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9,"
        " 198.51.100.{}\r\nContent-Length: 9\r\n\r\ne"
    )
    slow = [
        small.send(half.format(number % 2).encode())
        for number in range(2 * MAX_READS_PER_CLIENT + 2)
    ]
    assert Counter(answer(sock)[0] for sock in slow) == {408: 2 * MAX_READS_PER_CLIENT, 503: 2}


def test_a_client_that_takes_nothing_of_its_answer_is_cut_and_one_that_takes_it_gets_it_whole(
    small: Small,
) -> None:
    request = b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    slow = [small.send(request) for _ in range(3)]
    steady = small.send(request)
    assert len(answer(steady)[1]) == BIG
    eventually(lambda: small.connections() == 0, what="the end of the slow connections")
    assert all(len(answer(sock)[1]) < BIG for sock in slow)


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTTP/1.1\r\nHost:", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]
)
def test_one_address_holds_so_many_connections_and_no_more(small: Small, begun: bytes) -> None:
    many = [small.send(begun) for _ in range(MAX_PER_ADDRESS + 60)]
    eventually(lambda: small.connections() <= MAX_PER_ADDRESS, what="the end of the others")
    eventually(lambda: small.ask()[0] == 200, what="an answer to one more")
    assert len(many) > MAX_PER_ADDRESS


def test_too_many_connections_from_one_address_do_not_block_others(small: Small) -> None:
    for _ in range(web_server._MAX_CONNECTIONS + 20):
        small.send(b"GET / HTTP/1.1\r\nHost:")
    assert small.ask("/healthz")[0] == 200


def test_threads_and_connections_remain_free_beside_waiting_requests() -> None:
    assert web_server._WAITING_THREADS > MAX_REQUESTS > MAX_READS
    assert web_server._MAX_CONNECTIONS > CROWDED > MAX_REQUESTS


def test_bodies_of_many_clients_leave_threads_to_others() -> None:
    reads = Reads()
    begun = [reads.begin(f"192.0.2.{number}", "127.0.0.1", 9.0) for number in range(MAX_READS + 1)]
    assert begun[-1] is None and None not in begun[:-1]
    reads.end(begun[0])
    assert reads.begin("192.0.2.99", "127.0.0.1", 9.0) is not None


HOSTS = [
    ("HTTP/1.1", "Host: x", 200), ("HTTP/1.1", "Host: x\r\nHost: x", 400),
    ("HTTP/1.1", "Host: x\r\nHost: y", 400),
    ("HTTP/1.1", "Host:", 400), ("HTTP/1.1", "A: b", 400), ("HTTP/1.0", "A: b", 200),
    ("HTTP/1.0", "Host: x\r\nHost: y", 400),
]  # fmt: skip


@pytest.mark.parametrize(("version", "fields", "status"), HOSTS)
def test_a_request_has_one_host(small: Small, version: str, fields: str, status: int) -> None:
    assert (
        answer(small.send(f"GET / {version}\r\n{fields}\r\nConnection: close\r\n\r\n".encode()))[0]
        == status
    )


FORWARDED = [
    ("198.51.100.7", "198.51.100.7"), ("1.1.1.1, 198.51.100.7", "198.51.100.7"),
    ("198.51.100.7:4711", "198.51.100.7"),
    ("[2001:db8::1]:4711", "2001:db8::1"), ("2001:db8::1", "2001:db8::1"),
    ("x, 198.51.100.7", "198.51.100.7"), ("", "127.0.0.1"),
    ("unknown", None), ("198.51.100.7, x", None), ("198.51.100.7,", None),
    ("::ffff:1.2.3.4.5", None),
]  # fmt: skip


@pytest.mark.parametrize(("value", "client"), FORWARDED)
def test_the_client_address_is_the_one_that_the_proxy_names(
    small: Small, value: str, client: str | None
) -> None:
    status, body = small.ask("/", f"X-Forwarded-For: {value}")
    assert status == (400 if client is None else 200)
    assert client is None or json.loads(body)["client"] == client


@pytest.mark.parametrize(
    "fields", [("X_Forwarded_For: me",), ("X-Forwarded-For: 1.1.1.1", "X_Forwarded_For: me")]
)
def test_a_name_like_the_proxys_that_holds_no_address_is_refused(
    small: Small, fields: tuple[str, ...]
) -> None:
    assert small.ask("/", *fields)[0] == 400


def test_answers_of_the_layers_bear_what_all_answers_bear(small: Small) -> None:
    for request in (
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"GET / HTTP/1.1\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n",
    ):
        sock = small.send(request + b"Connection: close\r\n\r\n0\r\n\r\n")
        head = sock.recv(65_536).lower()
        for field in (
            b"strict-transport-security: max-age=31536000",
            b"x-content-type-options: nosniff",
            b"default-src 'none'",
        ):
            assert field in head


@given(st.ip_addresses(v=4))
def test_an_address_is_one_client_however_it_is_written(address: object) -> None:
    assert client_key(str(address)) == client_key(f"::ffff:{address}") == str(address)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(1, 2**64 - 1))
def test_a_network_of_ipv6_is_one_client(one: int, other: int, network: int) -> None:
    keys = {client_key(str(IPv6Address(network << 64 | host))) for host in (one, other)}
    assert len(keys) == 1 or network < 2
