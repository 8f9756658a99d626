"""Webhooks: over TLS to one host, beside stock Apprise; and what targets that never answer cost the
others.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from benchmarks.process import core, free_port, output, started
from benchmarks.site import STREAM, Site, temporary_site
from benchmarks.table import Row
from config.keys import load_keys
from models.recipients.audience import ChannelTarget, add_channel
from models.streams.streams import StreamText, add_stream
from notifier.reports.delivery_report import alert_sums
from notifier.transport.channel_sender import check_url

ROUNDS = 3
STOCK_POSTS = 60
TARGETS = 200
SILENT = 20
STOCK = "stock Apprise, one by one"


def speed(number: int) -> list[Row]:
    """The whole way of so many webhooks, and the adapter alone, as ratios to what Apprise does by
    itself.
    """
    with _authority() as folder, _sink(folder) as port, _site() as site:
        host = f"jsons://localhost:{port}"
        _follow(site, [f"{host}/{n}" for n in range(number)], STREAM)
        rates: dict[str, list[float]] = {"whole": [], "adapter": [], "stock": []}
        with _working(site, folder):
            _seconds(site, STREAM, number)
            _must_have(port, folder, number)
            for _ in range(ROUNDS):  # in turn, so that what else the machine does falls on all
                rates["whole"].append(number / _seconds(site, STREAM, number))
                _must_have(port, folder, number)
                for way, posts in {"adapter": number, "stock": STOCK_POSTS}.items():
                    printed = output(
                        "benchmarks.webhook_peers",
                        way,
                        f"{host}/{way}",
                        str(posts),
                        cores=core(0),
                        path=[folder],
                    )
                    rates[way].append(float(printed))
                _taken(port, folder)
    names = {
        "whole": "webhooks over TLS, whole way, SQLite",
        "adapter": "webhooks over TLS, the adapter alone",
    }
    return [
        Row(name, rates[way], rates["stock"], "posts/s", STOCK, least=20)
        for way, name in names.items()
    ]


def silent() -> list[Row]:
    """Until the targets that answer have a message, beside such as never answer and alone."""
    took: dict[str, list[float]] = {"alone": [], "beside": []}
    well = TARGETS - SILENT
    for _ in range(ROUNDS):  # each with nothing left over from the one before
        with _authority() as folder, _sink(folder) as port, _site() as site:
            urls = {
                stream: [f"jsons://localhost:{port}/{stream}/{n}" for n in range(well)]
                for stream in took
            }
            for n in range(SILENT):  # spread among the others, as it happens
                urls["beside"].insert(n * TARGETS // SILENT, f"jsons://localhost:{port}/silent/{n}")
            for stream in took:
                add_stream(site.db, site.actor, stream, StreamText(stream))
                _follow(site, urls[stream], stream)
            with _working(site, folder):
                _seconds(site, "alone", well)
                for stream, times in took.items():
                    times.append(_seconds(site, stream, well) * 1000)
    return [
        Row(
            f"{well} targets, beside {SILENT} that never answer",
            took["beside"],
            took["alone"],
            "ms",
            "alone",
            most=3,
        )
    ]


def _site() -> AbstractContextManager[Site]:
    return temporary_site(allow_private_hosts="localhost", log_level="ERROR")


def _follow(site: Site, urls: list[str], stream: str) -> None:
    keys = load_keys(site.settings)
    for number, url in enumerate(urls):
        checked = check_url(url, site.settings.allow_private_hosts)
        add_channel(
            site.db,
            site.actor,
            keys,
            f"{stream} {number}",
            ChannelTarget(url, checked.service, checked.masked),
            stream=stream,
        )


@contextmanager
def _working(site: Site, folder: Path) -> Iterator[None]:
    """``storywire worker`` as it is shipped, but for the authorities that it trusts."""
    with started(
        "cli.main", "worker", cores=core(0), environment=site.settings.environment(), path=[folder]
    ):
        yield


def _seconds(site: Site, stream: str, sent: int) -> float:
    """From the call that posts an entry until so many messages are settled as sent."""
    began = time.perf_counter()
    entry = site.post("River rising", stream=stream)
    deadline = time.monotonic() + 60 + sent / 20
    while True:
        with site.db.read() as tx:
            sums = next(sums for sums in alert_sums(tx, 5) if sums["entry_uid"] == entry.uid)
        if sums["sent"] == sent:
            return time.perf_counter() - began
        if time.monotonic() > deadline:
            raise SystemExit(f"the webhooks were not out in time: {sums}")
        time.sleep(0.02)


@contextmanager
def _sink(folder: Path) -> Iterator[int]:
    port = free_port()
    with started(
        "benchmarks.http_sink", str(port), str(folder / "localhost.pem"), port=port, cores=core(1)
    ):
        yield port


def _taken(port: int, folder: Path) -> str:
    """What the receiver has counted since it was last asked."""
    return requests.get(
        f"https://localhost:{port}/", timeout=10, verify=str(folder / "all.pem")
    ).text


def _must_have(port: int, folder: Path, number: int) -> None:
    counts = _taken(port, folder)
    if counts != f"{number} {number}":
        raise SystemExit(f"{number} messages were sent, the receiver has {counts}: this is a bug")


@contextmanager
def _authority() -> Iterator[Path]:
    """A folder with a certificate for localhost, and a ``certifi`` that names it beside the usual
    authorities.

    Nothing is patched: whoever imports `certifi` with the folder in its path, of ours and of
    others, loads as many as ever.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
    )
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
    )
    pem = serialization.Encoding.PEM
    no_password = serialization.NoEncryption()
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(pem)
    with tempfile.TemporaryDirectory(prefix="storywire-bench-tls-") as name_of_folder:
        folder = Path(name_of_folder)
        (folder / "localhost.pem").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password) + certificate
        )
        (folder / "all.pem").write_bytes(Path(certifi.where()).read_bytes() + certificate)
        (folder / "certifi.py").write_text(
            f"def where() -> str:\n    return {str(folder / 'all.pem')!r}\n"
        )
        yield folder
