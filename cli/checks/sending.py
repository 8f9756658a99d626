"""Checks of what is sent: workers, and what holds messages back."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import func, select

from cli.checks.checkup import CheckResult, Checkup, fault
from cli.process.worker_lock import is_worker_running
from models import Alert, Entry, Lane, Pause, Recipient, Site
from models.db.clock import now
from models.db.database import Database
from models.db.heartbeats import any_worker_runs, workers
from notifier.reports.gauges import OLDEST_DUE, gauges

_START_A_WORKER = "Start `storywire serve`, or `storywire worker` on one of the nodes."
_SHOWN_CHANNELS = 5
_LATE_SECONDS = 300.0


def check_workers(checkup: Checkup) -> Iterator[CheckResult]:
    """Some worker runs for each lane, and none died without an end."""
    if checkup.db is None:
        return
    with checkup.db.read() as tx:
        found, any_runs = workers(tx), any_worker_runs(tx)
    if checkup.db.embedded:  # the lock is let go when its holder dies, so it knows at once
        any_runs = is_worker_running(checkup.settings.data_dir)
    if not any_runs:
        yield fault("No worker runs, so no alerts are sent.", _START_A_WORKER)
        return
    for worker in found:
        if not worker.runs:
            yield fault(
                f"Worker {worker.name} has given no sign of life for {_duration(worker.age)}.",
                "Look at the log of that node and start its worker again.",
            )
    lanes = frozenset[Lane]().union(*(worker.lanes for worker in found if worker.runs))
    if found and Lane.FAST not in lanes:
        yield fault("No worker sends to channels.", "Start a worker without --lane bulk.")
    if found and Lane.BULK not in lanes and checkup.settings.mail_url.get_secret_value():
        yield fault(
            "No worker sends mail.",
            "Set STORYWIRE_MAIL_URL on a node with a worker, and restart that worker.",
        )


def check_sending(checkup: Checkup) -> Iterator[CheckResult]:
    """Nothing waits for a person or for a mail server that is away."""
    if checkup.db is None:
        return
    with checkup.db.read() as tx:
        site = tx.scalars(select(Site)).one()
        late = select(func.count()).select_from(Alert)
        held = tx.scalar(late.where(Alert.held_at.is_not(None), Alert.stopped_at.is_(None))) or 0
        overdue = tx.scalar(select(func.count()).select_from(Entry).where(Entry.late)) or 0
        waits = tx.scalars(
            select(Pause.reason).where(Pause.until > now(tx), Pause.reason != "")
        ).all()
    if site.sending_paused:
        yield fault("All sending is paused.", "Run `storywire resume` to go on.")
    if site.held_reason is not None:
        yield fault(
            f"All sending is held: {site.held_reason}",
            "Run `storywire resume`, which shows what waits and asks before it goes on.",
        )
    if held:
        yield fault(
            f"Alerts are held because they would come hours late: {held}.",
            "See `storywire alert list`; then `storywire alert resume` or `storywire alert stop`.",
        )
    if overdue:
        yield fault(
            "Entries are held because the service was not running when they should have gone out:"
            f" {overdue}.",
            "See `storywire entry list --state scheduled`; then `storywire entry publish`, or"
            " choose another time on the desk.",
        )
    for reason in waits:
        yield fault(reason, "Mail is tried again by itself; see the check `mail`.")
    if not (site.sending_paused or site.held_reason is not None or waits):
        yield from _overdue(checkup.db)


def _overdue(db: Database) -> Iterator[CheckResult]:
    """Messages that are late although nothing holds them."""
    with db.read() as tx:
        ages = next(gauge.values for gauge in gauges(tx) if gauge.name == OLDEST_DUE)
    for (_, service), seconds in ages.items():
        if seconds > _LATE_SECONDS:
            yield fault(
                f"Messages by {service} wait: the oldest for"
                f" {_duration(timedelta(seconds=seconds))}.",
                "Check that enough workers run, and look at their log.",
            )


def check_channels(checkup: Checkup) -> Iterator[CheckResult]:
    """No channel is failing."""
    if checkup.db is None:
        return
    with checkup.db.read() as tx:
        failing = tx.execute(
            select(Recipient.address, Recipient.reason)
            .where(Recipient.failing)
            .order_by(Recipient.sick_since)
        ).all()
    for name, reason in failing[:_SHOWN_CHANNELS]:
        yield fault(
            f"The channel {name} is failing: {reason}",
            "Correct its address on the desk under Channels, and press Try again.",
        )
    if len(failing) > _SHOWN_CHANNELS:
        more = len(failing) - _SHOWN_CHANNELS
        yield fault(f"More channels are failing: {more}.", "See `storywire channel list`.")


def _duration(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} minutes" if minutes != 1 else "1 minute"
