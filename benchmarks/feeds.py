"""Serving a feed: the shipped application, the limit, and the usual way, under the same server on one core."""

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import requests

from benchmarks.process import core, free_port, output, started
from benchmarks.site import STREAM, Site, site
from benchmarks.table import rates

ENTRIES, ROUNDS, SECONDS = 50, 3, 1.5
PATH = f"/streams/{STREAM}/atom.xml"
SHIPPED, BARE, PLAIN = "Storywire", "bare WSGI callable, the same bytes", "feedgen in a Flask view"
APPLICATIONS = {SHIPPED: "web.wsgi:app", BARE: "benchmarks.bare:app", PLAIN: "benchmarks.plain_flask:app"}


def run() -> None:
    """Print requests a second for 200 and 304."""
    with ExitStack() as stack:
        found = stack.enter_context(site())
        for number in range(ENTRIES):
            found.post(f"Entry {number}")
        ports = {name: free_port() for name in APPLICATIONS}
        stack.enter_context(_serving(found, SHIPPED, ports))
        etag, size = _fetch(found, ports[SHIPPED])
        for name in (BARE, PLAIN):
            stack.enter_context(_serving(found, name, ports, etag))
        whole: dict[str, list[float]] = {name: [] for name in APPLICATIONS}
        unchanged: dict[str, list[float]] = {name: [] for name in (SHIPPED, BARE)}
        for _ in range(ROUNDS):  # in turn, so that what else the machine does falls on all
            for name, port in ports.items():
                whole[name].append(_load(port))
                if name in unchanged:
                    unchanged[name].append(_load(port, etag))
    about = f"{ENTRIES} entries, {size / 1024:.0f} KiB, 16 connections, median of {ROUNDS} x {SECONDS} s"
    rates(f"feeds: {PATH}, 200 ({about})", "requests/s", whole, of=BARE)
    rates("feeds: the same, 304 (the plain view knows none)", "requests/s", unchanged, of=BARE)


def _serving(found: Site, name: str, ports: dict[str, int], etag: str = "") -> AbstractContextManager[None]:
    folder = found.settings.data_dir
    variables = {
        **found.settings.environment(),
        "STORYWIRE_PORT": str(ports[name]),
        "BENCH_FEED": str(folder / "atom.xml"),
        "BENCH_JSON": str(folder / "feed.json"),
        "BENCH_ETAG": etag,
    }
    return started("benchmarks.web_process", APPLICATIONS[name], port=ports[name], cores=core(0), environment=variables)


def _fetch(found: Site, port: int) -> tuple[str, int]:
    """Keep what the shipped application serves for the others; its ETag and size."""
    folder: Path = found.settings.data_dir
    base = f"http://127.0.0.1:{port}/streams/{STREAM}"
    atom = requests.get(f"{base}/atom.xml", headers={"Accept-Encoding": "identity"}, timeout=10)
    (folder / "atom.xml").write_bytes(atom.content)
    (folder / "feed.json").write_bytes(requests.get(f"{base}/feed.json", timeout=10).content)
    return atom.headers["ETag"], len(atom.content)


def _load(port: int, *etag: str) -> float:
    return float(output("benchmarks.http_load", str(port), str(SECONDS), PATH, *etag, cores=core(1)))
