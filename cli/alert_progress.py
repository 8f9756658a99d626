"""`storywire alert show`: an alert's progress and problems, and a bar that follows the progress."""

import dataclasses
import sys
import time
from collections import deque
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from cli.command_context import CommandContext, json_option, open_context, paragraphs, show, table
from models.alerts.alert_control import find_alert
from notifier.reports.alert_overview import Overview, is_done, overview
from notifier.reports.delivery_report import alert_sums
from notifier.reports.estimate import Estimate, ProgressSample, estimate

SAMPLE_SECONDS = 0.5
MAX_SAMPLES = 60
_COLUMNS = {
    "owed": "recipients",
    "sent": "sent",
    "failed": "failed",
    "unknown": "unconfirmed",
    "skipped": "skipped",
    "queued": "queued",
}


@click.command("show")
@click.argument("name")
@click.option("--follow", is_flag=True, help="Show a progress bar until nothing is queued.")
@json_option
def show_alert(name: str, follow: bool, as_json: bool) -> None:
    """Show the progress of an alert and its problems.

    Prints totals and speed by service, the replies of servers that refused messages, and why
    messages are waiting.

    Example: storywire alert show 42 --follow
    """
    context = open_context()
    with context.db.read() as tx:
        alert_id = find_alert(tx, name).id
    if follow:
        _follow(context, alert_id)
    with context.db.read() as tx:
        report = overview(tx, alert_id)
    show(_value(report), _text(report), as_json=as_json)


def _follow(context: CommandContext, alert_id: int) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[status]}"),
    )
    samples: deque[ProgressSample] = deque(maxlen=MAX_SAMPLES)
    with Progress(
        *columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True
    ) as progress:
        task = progress.add_task(f"alert {alert_id}", status="")
        while True:
            with context.db.read() as tx:
                (sums,) = alert_sums(tx, 1, alert_id=alert_id)
            total = sums["owed"]
            ended = total - sums["queued"]
            samples.append(ProgressSample(time.monotonic(), ended))
            pace = estimate(samples, total if sums["expanded"] else None)
            progress.update(
                task,
                total=total or None,
                completed=ended,
                status=f"{ended:,} of {total:,}{_pace(pace)}",
            )
            if is_done(sums):
                return
            time.sleep(SAMPLE_SECONDS)


def _value(report: Overview) -> dict[str, Any]:
    return {
        **report.sums,
        "lanes": report.lanes,
        "services": report.services,
        "troubles": [dataclasses.asdict(trouble) for trouble in report.troubles],
        "reasons": report.reasons,
    }


def _text(report: Overview) -> str:
    sums = report.sums
    title = f"  {sums['title']}  (entry {sums['entry_uid']})" if sums["entry_uid"] else ""
    rows: list[tuple[object, ...]] = [("", *_COLUMNS.values())]
    for service, counts in report.services.items():
        rows.append((service, *(counts[name] for name in _COLUMNS)))
    if len(report.services) != 1:
        rows.append(("all", *(sums[name] for name in _COLUMNS)))
    troubles = [(line.shown, line.state, line.last_reply) for line in report.troubles]
    progress = f"{_percent(report)} % done{_pace(report.average)}."
    return paragraphs(
        f"Alert {sums['id']}: {sums['kind']}{title}, created {sums['created_at']:%Y-%m-%d %H:%M} UTC",
        table(rows, empty=""),
        "Nothing is queued." if report.done else progress,
        "\n".join(report.reasons),
        table(troubles, empty=""),
    )


def _percent(report: Overview) -> int:
    return int(100 * report.ended / report.sums["owed"]) if report.sums["owed"] else 0


def _pace(pace: Estimate) -> str:
    """Write ``, 1,234 per second, 0:02:10 left``, as far as known."""
    text = ""
    if pace.rate is not None and pace.rate >= 1:
        text += f", {pace.rate:,.0f} per second"
    if pace.seconds_left:
        text += f", {_clock(pace.seconds_left)} left"
    return text


def _clock(duration_seconds: float) -> str:
    minutes, seconds = divmod(round(duration_seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
