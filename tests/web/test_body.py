"""Bodies that arrive slowly, or never."""

import threading
from io import BytesIO

import pytest

from web.body import BodyInTime

LIMIT = 2**20


def echo(environ, start_response):
    start_response("200 OK", [])
    return [environ["wsgi.input"].read()]


def ask(body, seconds=5.0, **headers):
    """The status and body of an answer to a request with that body."""
    said = []
    layer = BodyInTime(echo, threads=1, most_bytes=lambda *_: LIMIT, seconds=seconds)
    answer = b"".join(layer({"wsgi.input": body, **headers}, lambda status, _: said.append(status)))
    return said[0][:3], answer


class Stuck:
    """A body whose caller has lost the network."""

    def __init__(self) -> None:
        self.end = threading.Event()

    def read(self, size: int = -1) -> bytes:
        self.end.wait(30)
        return b""


class BrokenOff:
    def read(self, size: int = -1) -> bytes:
        raise ConnectionResetError


@pytest.fixture
def stuck():
    body = Stuck()
    yield body
    body.end.set()


@pytest.mark.parametrize("headers", [{"CONTENT_LENGTH": "3"}, {"HTTP_TRANSFER_ENCODING": "chunked"}])
def test_a_body_that_is_there_is_handed_on(headers):
    assert ask(BytesIO(b"abc"), **headers) == ("200", b"abc")


@pytest.mark.parametrize("headers", [{"CONTENT_LENGTH": "3"}, {"HTTP_TRANSFER_ENCODING": "chunked"}])
def test_a_caller_who_stops_halfway_is_let_go(stuck, headers):
    assert ask(stuck, seconds=0.01, **headers)[0] == "408"


def test_a_caller_who_breaks_off_has_sent_nothing():
    assert ask(BrokenOff(), CONTENT_LENGTH="3") == ("200", b"")


def test_a_body_without_a_length_is_read_to_one_byte_over_the_limit():
    assert len(ask(BytesIO(b"a" * (LIMIT + 99)), HTTP_TRANSFER_ENCODING="chunked")[1]) == LIMIT + 1


@pytest.mark.parametrize("headers", [{"CONTENT_LENGTH": str(LIMIT + 1)}, {"CONTENT_LENGTH": "0"}, {"CONTENT_LENGTH": ""}, {}])
def test_a_body_that_is_refused_or_not_there_is_not_read(headers):
    body = BytesIO(b"left")
    layer = BodyInTime(lambda environ, _: [str(environ["wsgi.input"] is body).encode()], threads=1, most_bytes=lambda *_: LIMIT)
    assert list(layer({"wsgi.input": body, **headers}, lambda *_: None)) == [b"True"]
