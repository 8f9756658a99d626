"""Alerting by mail: from the post to the last settled row, beside bare smtplib and stock Apprise; and what posting costs."""

import smtplib
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median

from apprise import Apprise, NotifyFormat
from sqlalchemy import func, select

from benchmarks.process import core, free_port, started
from benchmarks.site import Site, site
from benchmarks.table import rates
from models import Alert, Delivery, DeliveryState
from notifier.mime import MailBatch, MailJob, render
from notifier.render import Sender, render_mail
from notifier.story import load_story

READERS, ROUNDS, CONNECTIONS = 4_000, 3, 4
STOCK_READERS = 100  # a round: at some 20 ms each
POSTS, FEW, MANY = 60, 10, 20_000
WHOLE, RAW, STOCK = "Storywire, post to last row settled", "smtplib, bytes ready, as many connections", "stock Apprise, notify() per reader"
Send = Callable[[], int]


def run() -> None:
    """Print messages a second, and the cost of a post."""
    port = free_port()
    with started("benchmarks.smtp_sink", str(port), port=port, cores=core(1)), _sending(port) as found:
        mail, ready = _rendered(found)  # before the clock starts to run
        ways: dict[str, Send] = {
            WHOLE: lambda: _whole(found),
            RAW: lambda: _raw(port, ready),
            STOCK: lambda: _stock(port, mail),
        }
        measured: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):  # in turn, so that what else the machine does falls on all
            for name, send in ways.items():
                measured[name].append(_timed(send, port))
    about = f"{READERS:,} readers, {CONNECTIONS} connections, SQLite, median of {ROUNDS}"
    rates(f"alerts: mails to a server that takes all at once ({about})", "messages/s", measured, of=RAW)
    _posting()


@contextmanager
def _sending(port: int) -> Iterator[Site]:
    """A site with readers and a worker that runs."""
    with site(mail_url=f"smtp://127.0.0.1:{port}", mail_connections=CONNECTIONS, log_level="WARNING") as found:
        found.add_readers(READERS)
        found.post("Warming up")
        with started("cli.main", "worker", cores=core(0), environment=found.settings.environment()):
            _wait_until_settled(found)
            _counted(port)
            yield found


def _timed(send: Send, port: int) -> float:
    """Messages a second; SystemExit where one is missing or came twice."""
    began = time.perf_counter()
    sent = send()
    seconds = time.perf_counter() - began
    if _counted(port) != (sent, sent):
        raise SystemExit("a message was lost or doubled: that is no benchmark, but a bug")
    return sent / seconds


def _counted(port: int) -> tuple[int, ...]:
    """Messages that the server took since it was last asked, and to how many addresses."""
    with smtplib.SMTP("127.0.0.1", port, "bench") as link:
        return tuple(map(int, link.docmd("VRFY", "all")[1].split()))


def _whole(found: Site) -> int:
    found.post("River rising")
    _wait_until_settled(found)
    return READERS


def _wait_until_settled(found: Site) -> None:
    """Looks twenty times a second, which costs a thousandth of the time."""
    alert = select(func.max(Alert.id)).scalar_subquery()
    sent = select(func.count()).where(Delivery.alert_id == alert, Delivery.state == DeliveryState.SENT)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with found.db.read() as tx:
            if tx.scalar(sent) == READERS:
                return
        time.sleep(0.05)
    raise SystemExit("the worker did not come to an end within a minute")


def _rendered(found: Site) -> tuple[MailBatch, list[tuple[str, bytes]]]:
    """The same mail for the other ways: its parts, and one for each reader as bytes."""
    with found.db.read() as tx:
        story = load_story(tx, tx.scalar(select(func.max(Alert.id))) or 0)
    mail = render_mail(story, Sender.of(found.settings), follows_all=False)
    form = render(mail, found.settings.mail_from)
    jobs = [MailJob(f"m{i}", f"reader{i}@example.org", "t" * 60) for i in range(READERS)]
    return mail, [(job.address, form.fill(job, job.address)) for job in jobs]


def _raw(port: int, mails: list[tuple[str, bytes]]) -> int:
    def send(share: list[tuple[str, bytes]]) -> None:
        with smtplib.SMTP("127.0.0.1", port, "bench") as link:
            for address, content in share:
                link.sendmail("storywire@localhost", [address], content)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(send, [mails[number::CONNECTIONS] for number in range(CONNECTIONS)]))
    return len(mails)


def _stock(port: int, mail: MailBatch) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(STOCK_READERS):
            told = Apprise()
            told.add(f"mailto://127.0.0.1:{port}?smtp=127.0.0.1&mode=insecure&from=storywire@localhost.test&to=reader{number}@example.org")
            if not told.notify(body=mail.html, title=mail.subject, body_format=NotifyFormat.HTML):
                raise SystemExit("stock Apprise could not send")
    return STOCK_READERS


def _posting() -> None:
    """What a post costs while nobody sends: it names no recipient, so their number must not matter."""
    with site() as few, site() as many:
        few.add_readers(FEW)
        many.add_readers(MANY)
        took: dict[int, list[float]] = {FEW: [], MANY: []}
        for number in range(POSTS):
            for readers, found in ((FEW, few), (MANY, many)):
                began = time.perf_counter()
                found.post(f"Entry {number}")
                took[readers].append((time.perf_counter() - began) * 1000)
    base = median(took[FEW])
    print(f"\nposting: one entry to its commit on the disk (SQLite, synchronous=FULL, median of {POSTS})\n{'':18}  ratio   p50 ms")
    for readers, times in took.items():
        print(f"{readers:>9,} readers  {median(times) / base:>6.2f}  {median(times):7.2f}")
