"""`storywire alert show`: one alert from all sides, and a bar that follows it until it is out."""

import dataclasses
import sys
import time
from collections import deque
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from cli.command_context import CommandContext, json_option, open_context, show, table
from models.alerts.alert_control import find_alert
from notifier.reports.alert_overview import Overview, is_done, overview
from notifier.reports.delivery_report import alert_sums
from notifier.reports.estimate import Estimate, ProgressSample, estimate

EVERY = 0.5  # seconds between two looks
LOOKS = 60
NUMBERS = ("owed", "sent", "failed", "unknown", "skipped", "queued")


@click.command("show")
@click.argument("name")
@click.option("--follow", is_flag=True, help="Draw the progress until nothing is owed any more.")
@json_option
def show_alert(name: str, follow: bool, as_json: bool) -> None:
    """Show an alert: how far it is by service, how fast, what went wrong in the remote's words, why
    it waits.

    Example: storywire alert show 42 --follow
    """
    context = open_context()
    with context.db.read() as tx:
        alert_id = find_alert(tx, name).id
    if follow:
        _follow(context, alert_id)
    with context.db.read() as tx:
        found = overview(tx, alert_id)
    show(_value(found), _text(found), as_json=as_json)


def _follow(context: CommandContext, alert_id: int) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[said]}"),
    )
    looks: deque[ProgressSample] = deque(maxlen=LOOKS)
    with Progress(
        *columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True
    ) as progress:
        task = progress.add_task(f"alert {alert_id}", said="")
        while True:
            with context.db.read() as tx:
                (sums,) = alert_sums(tx, 1, alert_id=alert_id)
            ended = sums["owed"] - sums["queued"]
            looks.append(ProgressSample(time.monotonic(), ended))
            judged = estimate(looks, sums["owed"] if sums["expanded"] else None)
            progress.update(
                task,
                total=sums["owed"] or None,
                completed=ended,
                said=f"{ended:,} of {sums['owed']:,}{_pace(judged)}",
            )
            if is_done(sums):
                return
            time.sleep(EVERY)


def _value(found: Overview) -> dict[str, Any]:
    troubles = [dataclasses.asdict(one) for one in found.troubles]
    return {
        **found.sums,
        "lanes": found.lanes,
        "services": found.services,
        "troubles": troubles,
        "reasons": found.reasons,
    }


def _text(found: Overview) -> str:
    sums = found.sums
    title = f"  {sums['title']}  (entry {sums['entry_uid']})" if sums["entry_uid"] else ""
    rows: list[tuple[object, ...]] = [("", *NUMBERS)]
    rows += [
        (service, *(counts[name] for name in NUMBERS)) for service, counts in found.services.items()
    ]
    rows += [("all", *(sums[name] for name in NUMBERS))] if len(found.services) != 1 else []
    parts = [
        f"Alert {sums['id']}: {sums['kind']}{title}, made {sums['created_at']:%Y-%m-%d %H:%M} UTC",
        table(rows, empty=""),
        "Nothing of it is owed any more."
        if found.done
        else f"{_share(found)} % are through{_pace(found.average)}.",
        "\n".join(found.reasons),
        table([(one.shown, one.state, one.last_reply) for one in found.troubles], empty=""),
    ]
    return "\n\n".join(part for part in parts if part)


def _share(found: Overview) -> int:
    return int(100 * found.ended / found.sums["owed"]) if found.sums["owed"] else 0


def _pace(judged: Estimate) -> str:
    """``, 1,234 a second, 0:02:10 left``, as far as that is known."""
    rate = f", {judged.rate:,.0f} a second" if judged.rate is not None and judged.rate >= 1 else ""
    return rate + (f", {_clock(judged.seconds_left)} left" if judged.seconds_left else "")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
