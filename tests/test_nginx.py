"""The nginx file that we ship, under Debian's nginx, in front of the application."""

import gzip
import os
import shutil
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from werkzeug.serving import BaseWSGIServer, make_server

from config.keys import Keys
from config.settings import load_settings
from models.database import Database
from tests.conftest import Newsroom, missing
from tests.service import eventually, free_port
from web import create_app

SHIPPED = Path(__file__).parents[1] / "config" / "deploy" / "nginx.conf"
FEED = "/streams/floods/atom.xml"
MAIN = """
{user}
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/storywire.conf;
}}
"""


class Behind:
    """The application, served for as long as it is up; counts what reaches it."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self.asked: Counter[str] = Counter()
        self.cookies: set[str | None] = set()
        self.port = free_port()
        self._server: BaseWSGIServer | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.asked[environ["PATH_INFO"]] += 1
        self.cookies.add(environ.get("HTTP_COOKIE"))
        return self._app(environ, start_response)

    def start(self) -> None:
        self._server = make_server("127.0.0.1", self.port, self, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = None


@pytest.fixture
def behind(sqlite_db: Database, tmp_path: Path) -> Iterator[Behind]:
    settings = load_settings(data_dir=tmp_path, base_url="https://news.example.org")
    behind = Behind(create_app(settings, Keys("a secret for tests that is long enough"), sqlite_db, ring=lambda: None))
    behind.start()
    yield behind
    behind.stop()


@pytest.fixture
def get(behind: Behind, tmp_path: Path) -> Iterator[Callable[..., requests.Response]]:
    """GET through nginx."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or missing("nginx")
    port = free_port()
    text = SHIPPED.read_text("utf-8")
    for shipped, here in (
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{behind.port};"),
        ("/var/cache/nginx/storywire", str(tmp_path / "cache")),
    ):
        assert text.count(shipped) == 1
        text = text.replace(shipped, here)
    (tmp_path / "storywire.conf").write_text(text)
    main = tmp_path / "nginx.conf"
    main.write_text(MAIN.format(folder=tmp_path, user="user root;" if os.geteuid() == 0 else ""))
    process = subprocess.Popen([nginx, "-c", str(main), "-p", str(tmp_path), "-e", str(tmp_path / "error.log")])

    def listens() -> bool:
        assert process.poll() is None, (tmp_path / "error.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def get(path: str, **headers: str) -> requests.Response:
        given = {"Accept-Encoding": "identity"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.get(f"http://127.0.0.1:{port}{path}", headers=given, timeout=10, allow_redirects=False)

    try:
        eventually(listens, what="nginx's start")
        yield get
    finally:
        process.terminate()
        process.wait(10)


def test_nginx_keeps_feeds_for_a_second_and_for_as_long_as_the_service_is_down(
    behind: Behind, get: Callable[..., requests.Response], sqlite_db: Database
) -> None:
    newsroom = Newsroom(sqlite_db)
    newsroom.stream()
    first = get(FEED)
    again = get(f"{FEED}?nocache=1")
    assert (first.headers["X-Cache"], again.headers["X-Cache"], behind.asked[FEED]) == ("MISS", "HIT", 1)
    assert again.content == first.content
    for name in ("ETag", "Cache-Control", "Vary", "Link"):
        assert again.headers[name] == first.headers[name]

    unchanged = get(FEED, If_None_Match=f'"other", W/{first.headers["ETag"]}')
    assert (unchanged.status_code, unchanged.content, behind.asked[FEED]) == (304, b"", 1)
    for name in ("ETag", "Cache-Control", "Vary", "Link"):
        assert unchanged.headers[name] == first.headers[name]

    for coding, sent in (("gzip", "gzip;q=0.8, br;q=0"), ("gzip", "deflate, gzip"), ("br", "gzip, deflate, br, zstd"), ("br", "br;q=0.5")):
        assert get(FEED, Accept_Encoding=sent).headers["Content-Encoding"] == coding
    assert behind.asked[FEED] == 3
    assert "Content-Encoding" not in get(FEED, Accept_Encoding="gzip;q=0, br;q=0.0").headers
    with requests.get(get(FEED).url, headers={"Accept-Encoding": "gzip"}, stream=True, timeout=10) as zipped:
        assert gzip.decompress(zipped.raw.read(decode_content=False)) == first.content

    newsroom.post(title="River rising")
    eventually(lambda: "River rising" in get(FEED).text, within=5, what="the post at the edge")
    behind.stop()
    eventually(lambda: get(FEED).headers["X-Cache"] == "STALE", within=5, what="an old copy")
    assert "River rising" in get(FEED).text
    assert get("/").status_code == 502


def test_nginx_keeps_nothing_of_the_desk(behind: Behind, get: Callable[..., requests.Response], sqlite_db: Database) -> None:
    Newsroom(sqlite_db)
    for _ in range(2):
        for path in ("/desk", "/login"):
            assert "X-Cache" not in get(path).headers
    assert behind.asked == {"/desk": 2, "/login": 2}


def test_no_other_spelling_of_an_address_and_nobodys_cookie_spoils_what_nginx_keeps(
    behind: Behind, get: Callable[..., requests.Response], sqlite_db: Database
) -> None:
    Newsroom(sqlite_db).stream()
    assert get("/streams//floods/atom.xml", Cookie="storywire=an-editor").status_code == 404
    assert get(FEED).status_code == 200
    assert behind.cookies == {None}
