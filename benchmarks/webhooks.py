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
from benchmarks.site import STREAM, Site, site
from benchmarks.table import Row
from config.keys import load_keys
from models.recipients.audience import ChannelTarget, add_channel
from models.streams.streams import StreamText, add_stream
from notifier.reports.delivery_report import alert_sums
from notifier.transport.channel_sender import check_url

ROUNDS, STOCK_POSTS = 3, 60
TARGETS, SILENT = 200, 20
STOCK = "stock Apprise, one by one"


def speed(number: int) -> list[Row]:
    """The whole way of so many webhooks, and the adapter alone, as ratios to what Apprise does by
    itself.
    """
    with _authority() as folder, _sink(folder) as port, _site() as found:
        host = f"jsons://localhost:{port}"
        _follow(found, [f"{host}/{n}" for n in range(number)], STREAM)
        rates: dict[str, list[float]] = {"whole": [], "adapter": [], "stock": []}
        with _working(found, folder):
            _seconds(found, STREAM, number)
            _must_have(port, folder, number)
            for _ in range(ROUNDS):  # in turn, so that what else the machine does falls on all
                rates["whole"].append(number / _seconds(found, STREAM, number))
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
        with _authority() as folder, _sink(folder) as port, _site() as found:
            urls = {
                stream: [f"jsons://localhost:{port}/{stream}/{n}" for n in range(well)]
                for stream in took
            }
            for n in range(SILENT):  # spread among the others, as it happens
                urls["beside"].insert(n * TARGETS // SILENT, f"jsons://localhost:{port}/silent/{n}")
            for stream in took:
                add_stream(found.db, found.actor, stream, StreamText(stream))
                _follow(found, urls[stream], stream)
            with _working(found, folder):
                _seconds(found, "alone", well)
                for stream, times in took.items():
                    times.append(_seconds(found, stream, well) * 1000)
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
    return site(allow_private_hosts="localhost", log_level="ERROR")


def _follow(found: Site, urls: list[str], stream: str) -> None:
    keys = load_keys(found.settings)
    for number, url in enumerate(urls):
        checked = check_url(url, found.settings.allow_private_hosts)
        add_channel(
            found.db,
            found.actor,
            keys,
            f"{stream} {number}",
            ChannelTarget(url, checked.service, checked.masked),
            stream=stream,
        )


@contextmanager
def _working(found: Site, folder: Path) -> Iterator[None]:
    """``storywire worker`` as it is shipped, but for the authorities that it trusts."""
    with started(
        "cli.main", "worker", cores=core(0), environment=found.settings.environment(), path=[folder]
    ):
        yield


def _seconds(found: Site, stream: str, sent: int) -> float:
    """From the call that posts an entry until so many messages are settled as sent."""
    began = time.perf_counter()
    entry = found.post("River rising", stream=stream)
    deadline = time.monotonic() + 60 + sent / 20
    while True:
        with found.db.read() as tx:
            told = next(one for one in alert_sums(tx, 5) if one["entry_uid"] == entry.uid)
        if told["sent"] == sent:
            return time.perf_counter() - began
        if time.monotonic() > deadline:
            raise SystemExit(f"the webhooks were not out in time: {told}")
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
    if (found := _taken(port, folder)) != f"{number} {number}":
        raise SystemExit(
            f"{number} were owed, the receiver has {found}: that is no benchmark, but a bug"
        )


@contextmanager
def _authority() -> Iterator[Path]:
    """A folder with a certificate for localhost, and a ``certifi`` that names it beside the usual
    authorities.

    Nothing is patched: whoever imports `certifi` with the folder in its path, of ours and of
    others, loads as many as ever.
    """
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
    )
    moment = datetime.now(UTC)
    built = x509.CertificateBuilder(
        name,
        name,
        key.public_key(),
        x509.random_serial_number(),
        moment,
        moment + timedelta(days=1),
    )
    built = built.add_extension(
        x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
    )
    pem, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    certificate = built.sign(key, hashes.SHA256()).public_bytes(pem)
    with tempfile.TemporaryDirectory(prefix="storywire-bench-tls-") as made:
        folder = Path(made)
        (folder / "localhost.pem").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password) + certificate
        )
        (folder / "all.pem").write_bytes(Path(certifi.where()).read_bytes() + certificate)
        (folder / "certifi.py").write_text(
            f"def where() -> str:\n    return {str(folder / 'all.pem')!r}\n"
        )
        yield folder
