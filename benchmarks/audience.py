"""The audience: the cost of filters in a fan-out, and of digests beside plain mails."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from sqlalchemy import insert, literal, select, update

from benchmarks import mail_servers, mailing
from benchmarks.process import core, started
from benchmarks.site import Site, temporary_site
from benchmarks.table import Row, ratios
from models import Cadence, Importance, Lane, Recipient, Subscription, SubscriptionTag
from models.db.clock import now
from models.db.site import current_seq
from models.recipients.digest_times import MORNING
from notifier.ledger.fan_out import expand_all

ROUNDS = 3
ENTRIES = 20  # of a digest


@dataclass(frozen=True)
class Size:
    """How many there are, and how many read digests."""

    recipients: int
    readers: int


USUAL = Size(recipients=200_000, readers=10_000)
FULL = Size(recipients=1_000_000, readers=100_000)


def run(size: Size = USUAL) -> None:
    """Print both; some two minutes."""
    ratios(
        f"audience: finding the recipients of an entry among {size.recipients:,} (SQLite)",
        _finding(size.recipients),
    )
    ratios(
        f"audience: a digest of {ENTRIES} entries to {size.readers:,} readers (SQLite)",
        _digests(size.readers),
    )


def run_full() -> None:
    """The size of a large site: some fifteen minutes."""
    run(FULL)


def _finding(number: int) -> list[Row]:
    """A fan-out without filters, and one with all kinds of them, for equally many recipients."""
    with temporary_site() as plain, temporary_site() as mixed:
        for site in (plain, mixed):
            site.add_readers(number)
        _mix(mixed)
        rates: dict[str, list[float]] = {"plain": [], "mixed": []}
        matches: list[int] = []
        for _ in range(ROUNDS if number <= USUAL.recipients else 1):
            for name, site in (("plain", plain), ("mixed", mixed)):
                site.post("River rising")
                began = time.perf_counter()
                number_of_deliveries = expand_all(site.db, go_on=lambda: True, ring=_nobody)
                rates[name].append(number / (time.perf_counter() - began))
                if name == "mixed":
                    matches.append(number_of_deliveries)
    share = round(100 * median(matches) / number)
    return [
        Row(
            f"mixed filters, which {share} % pass",
            rates["mixed"],
            rates["plain"],
            "recipients looked at a second",
            "no filters",
            least=0.5,
        )
    ]


def _nobody(lane: Lane) -> None:
    """Wake nobody: no worker runs."""


def _mix(site: Site) -> None:
    """Of ten readers two want a tag of the entry, one another tag, one key entries, one digests,
    one no corrections, and one has quiet hours.
    """
    with site.db.begin() as tx:
        tenth = Subscription.recipient_id % 10
        for remainder, tag in ((0, "river-level"), (1, "the-flats"), (2, "trams")):
            chosen = select(Subscription.id, literal(tag)).where(tenth == remainder)
            tx.execute(insert(SubscriptionTag).from_select(["subscription_id", "slug"], chosen))
        tx.execute(update(Subscription).where(tenth == 3).values(least_importance=Importance.KEY))
        tx.execute(
            update(Subscription)
            .where(tenth == 4)
            .values(cadence=Cadence.DAILY, at_once_from=Importance.KEY)
        )
        tx.execute(update(Subscription).where(tenth == 5).values(corrections=False))
        night = {
            "quiet_from": MORNING,
            "quiet_until": MORNING.replace(hour=7),
            "timezone": "Europe/Berlin",
        }
        tx.execute(update(Recipient).where(Recipient.id % 10 == 6).values(night))


def _digests(readers: int) -> list[Row]:
    """The time from the due time to the last settled row, beside as many mails of one entry."""
    with (
        mail_servers.fast() as port,
        _site(port, readers) as site,
        mailing.working(site, cores=core(0)),
    ):
        mailing.whole(site, readers)  # warms up
        plain, digests = [], []
        for _ in range(ROUNDS):
            plain.append(mailing.whole(site, readers))
            digests.append(_digest(site, readers))
    rate = Row("digests", digests, plain, "messages/s", "mails of one entry", least=0.3)
    return [
        rate,
        Row(
            f"worker's peak memory, {readers:,} digests",
            [_peak(readers)],
            [_peak(readers // 10)],
            "MiB",
            f"{readers // 10:,}",
            most=1.2,
        ),
    ]


@contextmanager
def _site(port: int, readers: int) -> Iterator[Site]:
    with temporary_site(
        mail_url=f"smtp://127.0.0.1:{port}",
        mail_connections=mailing.CONNECTIONS,
        log_level="WARNING",
    ) as site:
        site.add_readers(readers)
        with site.db.begin() as tx:
            tx.execute(
                update(Recipient)
                .where(Recipient.id % 2 == 0)
                .values(language="de", timezone="Europe/Berlin")
            )
            chosen = select(Subscription.id, literal("river-level")).where(Subscription.id % 4 == 0)
            tx.execute(insert(SubscriptionTag).from_select(["subscription_id", "slug"], chosen))
        yield site


def _digest(site: Site, readers: int) -> float:
    """Digests a second; afterwards all subscriptions are set back to single mails."""
    with site.db.begin() as tx:
        never = now(tx) + timedelta(days=300)
        wanted = {
            "cadence": Cadence.DAILY,
            "digest_time": MORNING,
            "next_digest_at": never,
            "digested_seq": current_seq(tx),
        }
        tx.execute(update(Subscription).values(wanted))
    for number in range(ENTRIES):
        site.post(f"Entry {number}")
    mailing.wait_until(site, owed=0, sent=0)
    began = time.perf_counter()
    with site.db.begin() as tx:
        tx.execute(update(Subscription).values(next_digest_at=now(tx)))
    mailing.wait_until(site, owed=readers, sent=readers)
    seconds = time.perf_counter() - began
    with site.db.begin() as tx:
        tx.execute(update(Subscription).values(cadence=Cadence.AT_ONCE, next_digest_at=None))
    return readers / seconds


def _peak(readers: int) -> float:
    with ExitStack() as stack:
        site = stack.enter_context(_site(stack.enter_context(mail_servers.fast()), readers))
        pid = stack.enter_context(
            started("cli.main", "worker", environment=site.settings.environment())
        )
        _digest(site, readers)
        return mailing.peak_mebibytes(pid)
