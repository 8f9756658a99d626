"""Alerts by mail, from the post to the last settled row, beside bare smtplib and stock Apprise."""

import os
import re
import smtplib
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from apprise import Apprise, NotifyFormat
from sqlalchemy import func, select

from benchmarks import mail_servers, postgres, rabbitmq
from benchmarks.process import core, started
from benchmarks.site import Site, temporary_site
from benchmarks.table import Row
from models import Alert
from notifier.content.entry import load_story
from notifier.content.render import Sender, render_mail
from notifier.reports.delivery_report import alert_sums
from notifier.transport.mime import MailBatch, MailJob, render

ROUNDS, CONNECTIONS = 3, 4
STOCK_READERS = 100  # a round: at some 20 ms each
RAW, STOCK = "raw smtplib, ready bytes", "stock Apprise, one by one"
DELAY_MS = 5


@contextmanager
def working(site: Site, nodes: int = 1, cores: set[int] | None = None) -> Iterator[None]:
    """``storywire worker`` as it is shipped, so many times."""
    with ExitStack() as stack:
        for _ in range(nodes):
            stack.enter_context(
                started("cli.main", "worker", cores=cores, environment=site.settings.environment())
            )
        yield


def speed(readers: int) -> list[Row]:
    """The whole way on both databases, as ratios to what SMTP alone allows and to what Apprise does
    by itself.
    """
    with mail_servers.fast() as port, ExitStack() as stack:
        sites = {"SQLite": stack.enter_context(_site(port, readers))}
        if postgres.there():
            name = f"PostgreSQL, synchronous_commit={postgres.synchronous_commit()}"
            sites[name] = stack.enter_context(
                _site(port, readers, **stack.enter_context(postgres.database()))
            )
        mail, ready = _rendered(sites["SQLite"], readers)  # before the clock starts to run
        rates: dict[str, list[float]] = {name: [] for name in (*sites, RAW, STOCK)}
        for _ in range(ROUNDS):  # in turn, so that what else the machine does falls on all
            rates[RAW].append(_timed(lambda: _raw(port, ready)))
            for name, site in sites.items():
                rates[name].append(whole(site, readers))
            rates[STOCK].append(_timed(lambda: _stock(port, mail)))
    unit = "messages/s"
    rows = []
    for name in sites:
        least = 0.3 if name == "SQLite" else 0.15
        rows.append(Row(f"whole way, {name}", rates[name], rates[RAW], unit, RAW, least=least))
    rows.append(Row("whole way, SQLite", rates["SQLite"], rates[STOCK], unit, STOCK, least=60))
    return rows


def nodes(readers: int) -> list[Row]:
    """Two workers beside each other, against one."""
    if not postgres.there():
        return []
    broker = rabbitmq.settings()
    with (
        mail_servers.limited(delay_ms=DELAY_MS) as port,
        postgres.database() as database_settings,
        _bare_site(port, readers, **database_settings, **broker) as site,
    ):
        rates: dict[int, list[float]] = {1: [], 2: []}
        for number in (1, 2, 1, 2):
            with working(site, number):
                # two that start beside each other take twice as long to start
                whole(site, readers)
                mail_servers.must_have(port, readers)
                rates[number].append(whole(site, readers))
            mail_servers.must_have(port, readers)
    with_broker = ", RabbitMQ" if broker else ""
    return [
        Row(
            f"two worker nodes{with_broker}, server takes {DELAY_MS} ms",
            rates[2],
            rates[1],
            "messages/s",
            "one node",
            least=1.8,
        )
    ]


def memory(few: int, many: int, seconds: float) -> list[Row]:
    """The most memory that a worker took while it site all recipients of an entry, and mailed for
    a while.
    """
    took = []
    for readers in (few, many):
        with mail_servers.fast() as port, _bare_site(port, readers) as site:
            environment = site.settings.environment()
            with started("cli.main", "worker", environment=environment) as pid:
                site.post("To all of them")
                wait_until(site, owed=readers, sent=min(readers, 10_000))
                time.sleep(seconds)
                took.append(peak_mebibytes(pid))
    return [
        Row(
            f"worker's peak memory, {many:,} readers",
            [took[1]],
            [took[0]],
            "MiB",
            f"{few:,} readers",
            most=1.2,
        )
    ]


@contextmanager
def _site(port: int, readers: int, **settings: str) -> Iterator[Site]:
    """A site with readers and a worker, warmed up."""
    with _bare_site(port, readers, **settings) as site, working(site, cores=core(0)):
        whole(site, readers)
        yield site


@contextmanager
def _bare_site(port: int, readers: int, **settings: str) -> Iterator[Site]:
    with temporary_site(
        mail_url=f"smtp://127.0.0.1:{port}",
        mail_connections=CONNECTIONS,
        log_level="WARNING",
        **settings,
    ) as site:
        site.add_readers(readers)
        yield site


def whole(site: Site, readers: int) -> float:
    """Messages a second from the call that posts an entry to the last row that is settled."""
    began = time.perf_counter()
    site.post("River rising")
    wait_until(site, owed=readers, sent=readers)
    return readers / (time.perf_counter() - began)


def wait_until(site: Site, *, owed: int, sent: int) -> None:
    """Until the latest alert has come so far; looks twenty times a second, which the tallies make
    cheap.
    """
    deadline = time.monotonic() + 60 + owed / 200
    while time.monotonic() < deadline:
        with site.db.read() as tx:
            sums = alert_sums(tx, 1)[0]
        if sums["expanded"] and sums["owed"] == owed and sums["sent"] >= sent:
            return
        time.sleep(0.05)
    raise SystemExit(f"the worker did not come to an end in time: {sums}")


def _timed(send: Callable[[], int]) -> float:
    began = time.perf_counter()
    sent = send()
    return sent / (time.perf_counter() - began)


def _rendered(site: Site, readers: int) -> tuple[MailBatch, list[tuple[str, bytes]]]:
    """The same mail for the other ways: its parts, and one for each reader as bytes."""
    with site.db.read() as tx:
        story = load_story(tx, tx.scalar(select(func.max(Alert.id))) or 0)
    mail = render_mail(story, Sender.of(site.settings), follows_all=False)
    form = render(mail, site.settings.mail_from)
    jobs = [MailJob(f"m{i}", f"reader{i}@example.org", "t" * 60) for i in range(readers)]
    return mail, [(job.address, form.fill(job, job.address)) for job in jobs]


def _raw(port: int, mails: list[tuple[str, bytes]]) -> int:
    def send(share: list[tuple[str, bytes]]) -> None:
        with smtplib.SMTP("127.0.0.1", port, "bench") as link:
            for address, content in share:
                link.sendmail("storywire@localhost", [address], content)

    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, core(0) or before)  # as the worker is
    try:
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(send, [mails[number::CONNECTIONS] for number in range(CONNECTIONS)]))
    finally:
        os.sched_setaffinity(0, before)
    return len(mails)


def _stock(port: int, mail: MailBatch) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(STOCK_READERS):
            notifier = Apprise()
            notifier.add(
                f"mailto://127.0.0.1:{port}?smtp=127.0.0.1&mode=insecure"
                f"&from=storywire@localhost.test&to=reader{number}@example.org"
            )
            if not notifier.notify(
                body=mail.html, title=mail.subject, body_format=NotifyFormat.HTML
            ):
                raise SystemExit("stock Apprise could not send")
    return STOCK_READERS


def peak_mebibytes(pid: int) -> float:
    """Linux keeps it; elsewhere it cannot be known from outside."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("ascii"))
    return int(match[1]) / 1024 if match else 0.0
