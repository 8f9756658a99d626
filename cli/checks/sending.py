"""Checks of sending: workers, and reasons why messages are queued."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import func, select

from cli.checks.checkup import CheckResult, Checkup, fault
from cli.process.worker_lock import is_worker_running
from models import Alert, AlertState, Entry, Lane, Pause, Recipient, Site
from models.db.clock import now
from models.db.database import Database
from models.db.heartbeats import any_worker_runs, workers
from notifier.reports.gauges import OLDEST_DUE, gauges

_START_A_WORKER = "Start `storywire serve`, or `storywire worker` on one of the nodes."
_MAX_CHANNELS = 5
_LATE_SECONDS = 300.0


def check_workers(checkup: Checkup) -> Iterator[CheckResult]:
    """Check that a worker runs for each lane, and that none died."""
    if checkup.db is None:
        return
    with checkup.db.read() as tx:
        known_workers = workers(tx)
        is_running = any_worker_runs(tx)
    if checkup.db.embedded:  # the kernel releases the lock of a dead worker at once
        is_running = is_worker_running(checkup.settings.data_dir)
    if not is_running:
        yield fault("No worker is running, so no alerts are sent.", _START_A_WORKER)
        return
    for worker in known_workers:
        if not worker.runs:
            yield fault(
                f"Worker {worker.name} has not reported for {_duration(worker.age)}.",
                "Check the log of that node and restart its worker.",
            )
    if known_workers:
        sends_mail = bool(checkup.settings.mail_url.get_secret_value())
        running = [worker.lanes for worker in known_workers if worker.runs]
        yield from _check_lanes(frozenset[Lane]().union(*running), sends_mail)


def _check_lanes(lanes: frozenset[Lane], sends_mail: bool) -> Iterator[CheckResult]:
    if Lane.FAST not in lanes:
        yield fault("No worker sends to channels.", "Start a worker without --lane bulk.")
    if Lane.BULK not in lanes and sends_mail:
        yield fault(
            "No worker sends e-mail.",
            "Set STORYWIRE_MAIL_URL on a node with a worker, and restart that worker.",
        )


def check_sending(checkup: Checkup) -> Iterator[CheckResult]:
    """Check that nothing is paused, on hold or late."""
    if checkup.db is None:
        return
    with checkup.db.read() as tx:
        site = tx.scalars(select(Site)).one()
        pauses = tx.scalars(
            select(Pause.reason).where(Pause.is_on(now(tx)), Pause.reason != "")
        ).all()
    if site.sending_paused:
        yield fault("All sending is paused.", "Run `storywire resume` to continue.")
    if site.held_reason is not None:
        yield fault(
            f"All sending is on hold: {site.held_reason}",
            "Run `storywire resume`, which shows what is queued and asks before it continues.",
        )
    yield from _check_late(checkup.db)
    for reason in pauses:
        yield fault(reason, "E-mail is retried automatically; see the check `mail`.")
    if not (site.sending_paused or site.held_reason is not None or pauses):
        yield from _check_overdue(checkup.db)


def _check_late(db: Database) -> Iterator[CheckResult]:
    """Check for alerts and entries that wait for a person because they are late."""
    with db.read() as tx:
        late = select(func.count()).select_from(Alert)
        alerts = tx.scalar(late.where(Alert.state == AlertState.HELD))
        entries = tx.scalar(select(func.count()).select_from(Entry).where(Entry.late))
    if alerts:
        yield fault(
            f"Alerts are on hold because they would be hours late: {alerts}.",
            "See `storywire alert list`, then run `storywire alert resume` or `storywire alert"
            " stop`.",
        )
    if entries:
        yield fault(
            "Entries were not published because the site was not running at their scheduled time:"
            f" {entries}.",
            "See `storywire entry list --state scheduled`, then run `storywire entry publish`, or"
            " reschedule them on the desk.",
        )


def _check_overdue(db: Database) -> Iterator[CheckResult]:
    """Check for messages that are late for no known reason."""
    with db.read() as tx:
        ages = next(gauge.values for gauge in gauges(tx) if gauge.name == OLDEST_DUE)
    for (_, service), age_seconds in ages.items():
        if age_seconds > _LATE_SECONDS:
            age = _duration(timedelta(seconds=age_seconds))
            yield fault(
                f"Messages for {service} have been queued for {age}.",
                "Check that enough workers are running, and their logs.",
            )


def check_channels(checkup: Checkup) -> Iterator[CheckResult]:
    """Check that no channel is failing."""
    if checkup.db is None:
        return
    with checkup.db.read() as tx:
        failing = tx.execute(
            select(Recipient.address, Recipient.reason)
            .where(Recipient.failing)
            .order_by(Recipient.sick_since)
        ).all()
    for name, reason in failing[:_MAX_CHANNELS]:
        yield fault(
            f"The channel {name} is failing: {reason}",
            "Correct its address on the desk under Channels, then choose Try again.",
        )
    more = len(failing) - _MAX_CHANNELS
    if more > 0:
        yield fault(f"{more} more channels are failing.", "See `storywire channel list`.")


def _duration(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} minutes" if minutes != 1 else "1 minute"
