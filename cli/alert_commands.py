"""`storywire alert`, `storywire pause` and `storywire resume`."""

from typing import Any

import click

from cli.command_context import CommandContext, confirm, count, json_option, open_context, show
from cli.lazy import LazyCommand, LazyGroup
from cli.list_output import ListOptions, list_options, print_list, walk
from models.alerts.alert_control import find_alert, resume_alert, retry_alert, stop_alert
from models.alerts.send_hold import Waiting, pause_sending, resume_sending, waiting
from notifier.reports.delivery_report import alert_sums, why_waiting

DEFAULT_ROWS = 50
_COLUMNS = {
    "id": "id",
    "kind": "kind",
    "title": "title",
    "owed": "recipients",
    "sent": "sent",
    "failed": "failed",
    "unknown": "unconfirmed",
    "skipped": "skipped",
    "created_at": "created",
}


@click.group(cls=LazyGroup)
def alert() -> None:
    """Show, stop and retry alerts.

    NAME is the id of an alert, or the uid of an entry, for its latest alert.
    """


alert.add_command(
    LazyCommand(
        "show", "cli.alert_progress:show_alert", "Show the progress of an alert and its problems."
    )
)


@alert.command("list")
@list_options(DEFAULT_ROWS)
def list_alerts(options: ListOptions) -> None:
    """List alerts with their delivery totals, newest first."""
    db = open_context().db

    def read(last: dict[str, Any] | None, size: int) -> list[dict[str, Any]]:
        with db.read() as tx:
            return alert_sums(tx, size, before=last["id"] if last else None)

    print_list(
        walk(read, options),
        options,
        value=dict,
        cells=_cells,
        header=(*_COLUMNS.values(), ""),
        empty="No alerts yet.",
    )
    with db.read() as tx:
        reasons = why_waiting(tx)
    for reason in reasons:
        click.echo(reason, err=True)


def _cells(sums: dict[str, Any]) -> tuple[object, ...]:
    return (*(sums[name] for name in _COLUMNS), _state(sums))


def _state(sums: dict[str, Any]) -> str:
    if sums["stopped_at"]:
        return "stopped"
    if sums["waits_for"]:
        return "waiting for approval"
    return "on hold" if sums["held_at"] else ""


def _find_id(context: CommandContext, name: str) -> int:
    with context.db.read() as tx:
        return find_alert(tx, name).id


@alert.command("stop")
@click.argument("name")
@json_option
def stop(name: str, as_json: bool) -> None:
    """Stop an alert on all nodes. Messages that are being sent right now cannot be recalled.

    Example: storywire alert stop 42
    """
    context = open_context()
    alert = stop_alert(context.db, context.actor, _find_id(context, name))
    value = {"id": alert.id, "stopped_at": alert.stopped_at}
    show(value, f"Stopped alert {alert.id}.", as_json=as_json)


@alert.command("resume")
@click.argument("name")
@json_option
def resume_one(name: str, as_json: bool) -> None:
    """Resume an alert that was stopped or is on hold."""
    context = open_context()
    alert_id = _find_id(context, name)
    requeued = resume_alert(context.db, context.actor, alert_id)
    text = f"Resumed alert {alert_id}; {_queued_again(requeued)}."
    show({"id": alert_id, "owed_again": requeued}, text, as_json=as_json)


@alert.command("retry")
@click.argument("name")
@click.option(
    "--unknown", is_flag=True, help="Include unconfirmed deliveries. Some may arrive twice."
)
@json_option
def retry(name: str, unknown: bool, as_json: bool) -> None:
    """Retry the failed deliveries of an alert."""
    context = open_context()
    alert_id = _find_id(context, name)
    requeued = retry_alert(context.db, context.actor, alert_id, unknown=unknown)
    text = f"Retrying alert {alert_id}; {_queued_again(requeued)}."
    show({"id": alert_id, "owed_again": requeued}, text, as_json=as_json)


def _queued_again(number: int) -> str:
    noun = "delivery" if number == 1 else "deliveries"
    return f"{number:,} {noun} queued again"


@click.command()
@json_option
def pause(as_json: bool) -> None:
    """Pause all sending on all nodes.

    Publishing continues, and alerts stay queued until `storywire resume`.
    """
    context = open_context()
    pause_sending(context.db, context.actor)
    show(
        {"paused": True},
        "Sending is paused. Run `storywire resume` to continue.",
        as_json=as_json,
    )


@click.command()
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@json_option
def resume(yes: bool, as_json: bool) -> None:
    """Resume sending after a pause or a hold.

    Prints how many messages are queued, and asks before it continues. Sending is put on hold when
    the database may be a copy or was restored (another BASE_URL, machine or database than before),
    when no worker ran for over an hour while alerts were queued, and for single alerts that would
    be more than 6 hours late. Stop outdated alerts first with `storywire alert stop`.
    """
    context = open_context()
    with context.db.read() as tx:
        reasons = why_waiting(tx)
        queued = waiting(tx)
    summary = _summary(queued)
    if queued.mails or queued.channels or queued.finding:
        confirm("\n".join([*reasons, summary, "Resume sending?"]), yes=yes)
    resume_sending(context.db, context.actor)
    value = {
        "reasons": reasons,
        "mails": queued.mails,
        "channels": queued.channels,
        "finding": queued.finding,
    }
    show(value, f"Sending resumed. {summary}", as_json=as_json)


def _summary(queued: Waiting) -> str:
    messages = f"{count(queued.mails, 'e-mail')} and {count(queued.channels, 'other message')}"
    parts = [f"Queued: {messages}"]
    if queued.oldest:
        parts.append(f"the oldest since {queued.oldest:%Y-%m-%d %H:%M} UTC")
    if queued.finding:
        parts.append(f"and {count(queued.finding, 'alert')} whose recipients are being looked up")
    return ", ".join(parts) + "."
