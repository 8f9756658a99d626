"""Serving a finished feed: ours, the limit, the usual ways, and nginx with the same file, each on
one core, the client on another.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
import requests

from benchmarks.process import CHECKOUT, PATIENCE, core, free_port, output, started
from benchmarks.site import STREAM, Site
from benchmarks.table import Row

ROUNDS = 7
SECONDS = 1
PATH, FEEDGEN_PATH = f"/streams/{STREAM}/atom.xml", "/feedgen/atom.xml"
LIVE_PATH, LIVE = f"/streams/{STREAM}/live.json", "live document: 304, new connection each"
PEERS = Path("build") / "bench"
_WRK = shutil.which("wrk")
_NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_CONF = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; {user}
events {{ worker_connections 256; }}
http {{
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
    default_type application/atom+xml;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
    fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4;
    scgi_temp_path {folder}/t5; open_file_cache max=10;
    server {{
        listen 127.0.0.1:{port}; gzip_static on; root {folder};
        location / {{ alias {folder}/; try_files /atom.xml =404; }}
        location ~ /live.json$ {{ try_files /live.json =404; }}
    }}
}}
"""


class Load(NamedTuple):
    """One kind of request; ``fields`` may hold the server's own tag."""

    name: str
    status: int
    fields: tuple[str, ...] = ()


class Server(NamedTuple):
    """One that runs, with its own tag of the feed."""

    port: int
    pid: int
    tag: str

    def seconds(self) -> float:
        """Processor time so far."""
        process = psutil.Process(self.pid)
        times = [each.cpu_times() for each in (process, *process.children())]
        return float(sum(time.user + time.system for time in times))


class Rate(NamedTuple):
    """Requests a second, as the client saw them; and for each second of the server's processor.

    The latter holds whatever else the machine does, so it compares what runs under the same server.
    wrk on one core is slower than nginx on another, which then idles: both ways of counting stand
    in the table.
    """

    seen: float
    worked: float


CLOSE = "Connection: close"
KNOWN = "If-None-Match: {tag}"
WHOLE, ZIPPED, UNCHANGED = (
    Load("200", 200),
    Load("200 gzip", 200, ("Accept-Encoding: gzip",)),
    Load("304", 304, (KNOWN,)),
)
NEW_WHOLE, NEW_UNCHANGED = (
    Load("200, new connection each", 200, (CLOSE,)),
    Load("304, new connection each", 304, (CLOSE, KNOWN)),
)
LOADS = [WHOLE, ZIPPED, UNCHANGED] + [NEW_WHOLE, NEW_UNCHANGED] * bool(_WRK)

OURS, BARE, FLASK, NGINX = (
    "Storywire",
    "bare WSGI callable, same answer",
    "Flask view with the bytes",
    "nginx, same file",
)
FEEDGEN, DJANGO = "feedgen in a Flask view", "Django's feed, conditional"
Rates = Mapping[tuple[str, str], Sequence[Rate]]


def rows(site: Site) -> list[Row]:
    """A row for each kind of request and peer; a minute and a half."""
    with ExitStack() as stack:
        rates = _measure(_start(stack, site))
    return [
        *_rows(rates, BARE, lambda load: None if CLOSE in load.fields else 0.85),
        *_rows(rates, FLASK, lambda load: None if CLOSE in load.fields else 3.3),
        *_rows(
            rates,
            NGINX,
            lambda load: 0.85 if CLOSE in load.fields else 0.45 if load is WHOLE else None,
            "seen",
        ),
        *_live_rows(rates),
        *_rows(rates, NGINX, lambda _: None),
        *_rows(rates, FEEDGEN, lambda _: None),
        *_rows(rates, DJANGO, lambda _: None),
    ]


def _rows(
    rates: Rates, of: str, least: Callable[[Load], float | None], kind: str = "worked"
) -> Iterator[Row]:
    unit = {"worked": "requests a CPU second", "seen": "requests a second"}[kind]
    for load in LOADS:
        if peer := rates.get((of, load.name)):
            ours, theirs = (
                [getattr(rate, kind) for rate in side] for side in (rates[OURS, load.name], peer)
            )
            yield Row(load.name, ours, theirs, unit, of, least=least(load))


def _live_rows(rates: Rates) -> Iterator[Row]:
    if (NGINX, LIVE) in rates:
        ours, theirs = ([rate.seen for rate in rates[name, LIVE]] for name in (OURS, NGINX))
        yield Row(LIVE, ours, theirs, "requests a second", NGINX, least=0.85)


def _start(stack: ExitStack, site: Site) -> dict[str, Server]:
    """Start all, by name."""
    servers = {OURS: _served(stack, "web.wsgi:app", site.settings.environment())}
    folder, tag = _keep_answers(site, servers[OURS].port)
    variables = {"BENCH_FOLDER": str(folder), "BENCH_ETAG": tag}
    targets = {BARE: "benchmarks.bare:app", FLASK: "benchmarks.plain_flask:app"}
    if _django() and _WRK:  # its answers differ in length, which the other client cannot count
        targets[DJANGO] = "benchmarks.django_feed:app"
    servers |= {name: _served(stack, target, variables) for name, target in targets.items()}
    if _NGINX:
        servers[NGINX] = stack.enter_context(_nginx(folder))
    return servers


def _served(stack: ExitStack, target: str, variables: Mapping[str, str]) -> Server:
    port = free_port()
    environment = {**variables, "STORYWIRE_PORT": str(port), "STORYWIRE_WEB_THREADS": "1"}
    started_ = started(
        "benchmarks.web_process",
        target,
        port=port,
        cores=core(0),
        environment=environment,
        path=[PEERS],
    )
    return Server(port, stack.enter_context(started_), _get(port).headers.get("ETag", ""))


def _keep_answers(site: Site, port: int) -> tuple[Path, str]:
    """What the shipped application serves, for the others to serve; and its tag."""
    folder: Path = site.settings.data_dir
    _get(port)
    time.sleep(1.1)  # then it has its Last-Modified
    plain, zipped = _get(port), _get(port, **{"Accept-Encoding": "gzip"})
    heads = {
        "atom.xml": plain,
        "atom.xml.gz": zipped,
        "304": _get(port, **{"If-None-Match": plain.headers["ETag"]}),
    }
    (folder / "atom.xml").write_bytes(plain.content)
    (folder / "atom.xml.gz").write_bytes(gzip.compress(plain.content, 6, mtime=0))
    (folder / "live.json").write_bytes(_get(port, LIVE_PATH).content)
    (folder / "feed.json").write_bytes(_get(port, f"/streams/{STREAM}/feed.json").content)
    servers = {"date", "server"}  # which each writes itself
    own = {
        name: [field for field in head.headers.items() if field[0].lower() not in servers]
        for name, head in heads.items()
    }
    (folder / "heads.json").write_text(json.dumps(own))
    print(
        f"feeds: {PATH}, {len(plain.content) / 1000:.1f} kB,"
        f" {int(zipped.headers['Content-Length']) / 1000:.1f} kB as gzip",
        flush=True,
    )
    return folder, plain.headers["ETag"]


def _get(port: int, path: str = PATH, **fields: str) -> requests.Response:
    return requests.get(
        f"http://127.0.0.1:{port}{path}",
        headers={"Accept-Encoding": "identity"} | fields,
        timeout=10,
    )


@contextmanager
def _nginx(folder: Path) -> Iterator[Server]:
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_CONF.format(folder=folder, port=port, user=user))
    process = subprocess.Popen(
        [str(_NGINX), "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.log")],
        preexec_fn=_on_first_core,
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                _get(port).raise_for_status()
                break
            except requests.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield Server(port, process.pid, _get(port).headers["ETag"])
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _on_first_core() -> None:
    if cores := core(0):
        os.sched_setaffinity(0, cores)


def _django() -> bool:
    """Whether it is there; fetched the first time, into a folder that only benchmarks know."""
    if not (PEERS / "django").exists():
        fetch = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--target",
            str(PEERS),
        ]
        done = subprocess.run(
            [*fetch, "-r", str(CHECKOUT / "requirements" / "bench.in")],
            check=False,
            capture_output=True,
        )
        if done.returncode:
            print("Django could not be fetched: its rows are left out", file=sys.stderr)
    return (PEERS / "django").exists()


def _measure(servers: Mapping[str, Server]) -> Rates:
    """In turn, so that what else the machine does falls on all."""
    rates: dict[tuple[str, str], list[Rate]] = defaultdict(list)
    for _ in range(ROUNDS):
        for load in LOADS:
            for name, server in servers.items():
                if name != DJANGO or load in (WHOLE, UNCHANGED):
                    rates[name, load.name].append(_rate(server, load, PATH))
        for name in (OURS, NGINX) if NGINX in servers and _WRK else ():
            tag = _get(servers[name].port, LIVE_PATH).headers["ETag"]
            rates[name, LIVE].append(
                _rate(servers[name]._replace(tag=tag), NEW_UNCHANGED, LIVE_PATH)
            )
        rates[FEEDGEN, WHOLE.name].append(_rate(servers[FLASK], WHOLE, FEEDGEN_PATH))
    return rates


def _rate(server: Server, load: Load, path: str) -> Rate:
    fields = [field.format(tag=server.tag) for field in load.fields]
    answer = _get(server.port, path, **dict(field.split(": ", 1) for field in fields))
    if answer.status_code != load.status:
        raise SystemExit(f"port {server.port} answered {answer.status_code} to {load.name}")
    before = server.seconds()
    answered = (
        _wrk(server.port, path, fields) if _WRK else _client(server.port, path, fields, load.status)
    )
    return Rate(answered / SECONDS, answered / (server.seconds() - before))


def _client(port: int, path: str, fields: Sequence[str], status: int) -> float:
    return (
        float(
            output(
                "benchmarks.http_load",
                str(port),
                str(SECONDS),
                str(status),
                path,
                *fields,
                cores=core(1),
            )
        )
        * SECONDS
    )


def _wrk(port: int, path: str, fields: Sequence[str]) -> float:
    pinned = ["taskset", "-c", str(*core(1))] if core(1) else []
    headers = [part for field in fields for part in ("-H", field)]
    command = [
        *pinned,
        str(_WRK),
        "-t1",
        "-c16",
        f"-d{SECONDS}",
        *headers,
        f"http://127.0.0.1:{port}{path}",
    ]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    match = re.search(r"(\d+) requests in", printed)
    if "Non-2xx" in printed or not match:
        raise SystemExit(f"port {port} failed under load: {printed}")
    return float(match[1])
