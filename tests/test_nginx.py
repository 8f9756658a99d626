"""The nginx file that we ship, under Debian's nginx, in front of the application."""

import os
import shutil
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from requests.adapters import HTTPAdapter
from werkzeug.serving import BaseWSGIServer, make_server

from config.keys import Keys
from config.settings import load_settings
from models.db.database import Database
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom
from tests.support.requirements import skip_without
from tests.support.running_site import eventually, free_port
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
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/conf.d/*.conf;
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

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
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
    behind = Behind(
        create_app(
            settings, Keys("a secret for tests that is long enough"), sqlite_db, ring=lambda: None
        )
    )
    behind.start()
    yield behind
    behind.stop()


class Nginx:
    """nginx with our file for one or several sites, laid out as Debian does; a site is asked by its
    name, over TLS.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports: dict[str, int] = {}
        for made in ("lib", "log", "conf.d"):  # what Debian's package brings
            (folder / made).mkdir()

    def add(self, name: str, behind: int) -> None:
        """Our file under another name, as its first lines say, and with what a machine may differ
        in.
        """
        plain, tls = free_port(), free_port()
        certificate(self.folder, name)
        text = SHIPPED.read_text("utf-8").replace("news.example.org", name)
        for shipped, here, times in (
            ("listen 80;", f"listen 127.0.0.1:{plain};", 1),
            ("listen [::]:80;", "", 1),
            ("listen 443 ssl http2;", f"listen 127.0.0.1:{tls} ssl http2;", 1),
            ("listen [::]:443 ssl http2;", "", 1),
            ("server 127.0.0.1:8000;", f"server 127.0.0.1:{behind};", 1),
            ("/var/lib/nginx/", f"{self.folder}/lib/", 1),
            ("/var/log/nginx/", f"{self.folder}/log/", 3),
            ("/etc/letsencrypt/live/", f"{self.folder}/live/", 2),
        ):
            assert text.count(shipped) == times, shipped
            text = text.replace(shipped, here)
        (self.folder / "conf.d" / f"{name}.conf").write_text(text)
        self.ports[name], self.ports[f"http://{name}"] = tls, plain

    def start(self) -> None:
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or skip_without(
            "nginx"
        )
        main = self.folder / "nginx.conf"
        main.write_text(
            MAIN.format(folder=self.folder, user="user root;" if os.geteuid() == 0 else "")
        )
        self._process = subprocess.Popen(
            [nginx, "-c", str(main), "-p", str(self.folder), "-e", str(self.folder / "error.log")]
        )
        eventually(self._listens, what="nginx's start")

    def _listens(self) -> bool:
        assert self._process.poll() is None, (self.folder / "error.log").read_text()
        found = []
        for port in self.ports.values():
            with socket.socket() as probe:
                found.append(probe.connect_ex(("127.0.0.1", port)) == 0)
        return all(found)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def get(self, path: str, name: str = "news.example.org", **headers: str) -> requests.Response:
        """GET over TLS, whose certificate must be the site's."""
        given = {"Accept-Encoding": "identity", "Host": name} | {
            key.replace("_", "-"): value for key, value in headers.items()
        }
        with requests.Session() as session:
            session.mount("https://", Named(name))
            url, trusted = (
                f"https://127.0.0.1:{self.ports[name]}{path}",
                str(self.folder / "live" / name / "fullchain.pem"),
            )
            return session.get(
                url, headers=given, timeout=10, allow_redirects=False, verify=trusted
            )


class Named(HTTPAdapter):
    """Asks a server for the certificate of that name, whatever its address."""

    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__()

    def init_poolmanager(self, *args: Any, **given: Any) -> None:
        super().init_poolmanager(
            *args, **given, server_hostname=self._name, assert_hostname=self._name
        )  # type: ignore[no-untyped-call]


def certificate(folder: Path, name: str) -> None:
    """One that signs itself, where certbot puts its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
    )
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    made = made.not_valid_after(now + timedelta(days=1)).add_extension(
        x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
    )
    place = folder / "live" / name
    place.mkdir(parents=True)
    (place / "fullchain.pem").write_bytes(
        made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    )
    (place / "privkey.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


@pytest.fixture
def nginx(behind: Behind, tmp_path: Path) -> Iterator[Nginx]:
    """Two sites on one machine: one served by the application, one without a backend."""
    (tmp_path / "nginx").mkdir()
    server = Nginx(tmp_path / "nginx")
    server.add("news.example.org", behind.port)
    server.add("other.example.net", free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def get(nginx: Nginx) -> Callable[..., requests.Response]:
    """GET through nginx."""
    return nginx.get


def test_nginx_keeps_feeds_for_a_second_and_for_as_long_as_the_service_is_down(
    behind: Behind, get: Callable[..., requests.Response], sqlite_db: Database
) -> None:
    newsroom = Newsroom(sqlite_db)
    newsroom.stream()
    first = get(FEED)
    again = get(f"{FEED}?nocache=1")
    assert (first.headers["X-Cache"], again.headers["X-Cache"], behind.asked[FEED]) == (
        "MISS",
        "HIT",
        1,
    )
    assert again.content == first.content
    for name in ("ETag", "Cache-Control", "Vary", "Link"):
        assert again.headers[name] == first.headers[name]

    unchanged = get(FEED, If_None_Match=f'"other", W/{first.headers["ETag"]}')
    assert (unchanged.status_code, unchanged.content, behind.asked[FEED]) == (304, b"", 1)
    for name in ("ETag", "Cache-Control", "Vary", "Link"):
        assert unchanged.headers[name] == first.headers[name]

    for coding, sent in (
        ("gzip", "gzip;q=0.8, br;q=0"),
        ("gzip", "deflate, gzip"),
        ("br", "gzip, deflate, br, zstd"),
        ("br", "br;q=0.5"),
    ):
        assert get(FEED, Accept_Encoding=sent).headers["Content-Encoding"] == coding
    assert behind.asked[FEED] == 3
    assert "Content-Encoding" not in get(FEED, Accept_Encoding="gzip;q=0, br;q=0.0").headers
    assert get(FEED, Accept_Encoding="gzip").content == first.content

    newsroom.post(title="River rising")
    eventually(lambda: "River rising" in get(FEED).text, within=5, what="the post at the edge")
    eventually(
        lambda: "River rising" in get("/streams/floods").text, within=5, what="the page at the edge"
    )
    behind.stop()
    eventually(lambda: get(FEED).headers["X-Cache"] == "STALE", within=5, what="an old copy")
    assert "River rising" in get(FEED).text
    eventually(
        lambda: get("/streams/floods").headers["X-Cache"] == "STALE", within=5, what="an old page"
    )
    assert "River rising" in get("/streams/floods").text
    assert get("/").status_code == 502, "what nobody asked for before is not there"


def test_nginx_keeps_nothing_of_the_desk(
    behind: Behind, get: Callable[..., requests.Response], sqlite_db: Database
) -> None:
    Newsroom(sqlite_db)
    for _ in range(2):
        for path in ("/desk", "/login"):
            assert "X-Cache" not in get(path).headers
    assert behind.asked == {"/desk": 2, "/login": 2}


def test_other_spellings_and_cookies_do_not_poison_the_nginx_cache(
    behind: Behind, get: Callable[..., requests.Response], sqlite_db: Database
) -> None:
    Newsroom(sqlite_db).stream()
    assert get("/streams//floods/atom.xml", Cookie="storywire=an-editor").status_code == 404
    assert get(FEED).status_code == 200
    assert behind.cookies == {None}


def test_a_feed_fetched_in_the_second_of_its_change_gets_its_date_through_nginx(
    get: Callable[..., requests.Response], sqlite_db: Database, clock: StandingClock
) -> None:
    newsroom = Newsroom(sqlite_db)
    newsroom.stream()
    clock.now = datetime.now(UTC) + timedelta(seconds=1)
    newsroom.post(title="River rising")
    first = get(FEED)
    assert "River rising" in first.text
    assert "Last-Modified" not in first.headers
    eventually(lambda: "Last-Modified" in get(FEED).headers, within=10, what="the date")
    since = get(FEED).headers["Last-Modified"]
    assert get(FEED).headers["X-Cache"] == "HIT"
    assert get(FEED, If_Modified_Since=since).status_code == 304


def test_no_log_holds_the_token_of_a_link(nginx: Nginx, sqlite_db: Database) -> None:
    Newsroom(sqlite_db)
    token = "t0ken" * 8
    paths = ["/login/", "/login/password/", "/p/", "/p/move/", "/u/", "/subscribe/", "/hooks/"]
    # one answers, the other says 502, which goes into the log of errors
    for name in ("news.example.org", "other.example.net"):
        for path in paths:
            nginx.get(f"{path}{token}?a={token}", name)
            nginx.get(f"/static/x.css?a={token}", name, Referer=f"https://{name}{path}{token}")
    nginx.stop()
    nginx.start()
    logs = {
        path.name: path.read_text()
        for path in [*(nginx.folder / "log").iterdir(), nginx.folder / "error.log"]
    }
    assert not [name for name, text in logs.items() if "t0ken" in text]
    logged = logs["news.example.org.access.log"]
    for path in paths:
        assert f'"GET {path}[cut] HTTP/1.1"' in logged
    assert '"GET /static/x.css HTTP/1.1"' in logged


def test_two_sites_run_on_one_machine_over_tls(nginx: Nginx, sqlite_db: Database) -> None:
    Newsroom(sqlite_db)
    assert nginx.get("/").status_code == 200
    assert nginx.get("/", "other.example.net").status_code == 502
    plain = requests.get(
        f"http://127.0.0.1:{nginx.ports['http://news.example.org']}/x?a=1",
        headers={"Host": "news.example.org"},
        timeout=10,
        allow_redirects=False,
    )
    assert (plain.status_code, plain.headers["Location"]) == (301, "https://news.example.org/x?a=1")
    assert plain.headers["Server"] == nginx.get("/").headers["Server"] == "nginx", "and no version"
    assert (nginx.folder / "lib" / "news.example.org").is_dir()
    assert (nginx.folder / "lib" / "other.example.net").is_dir()
