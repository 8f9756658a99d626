"""`storywire alert`, `storywire pause` and `storywire resume`: seeing what is told, and steering
it.
"""

from typing import Any

import click

from cli.command_context import CommandContext, confirm, count, json_option, open_context, show
from cli.lazy import LazyCommand, LazyGroup
from cli.list_output import ListOptions, list_options, print_list, walk
from models.alerts.alert_control import find_alert, resume_alert, retry_alert, stop_alert
from models.alerts.send_hold import Waiting, pause_sending, resume_sending, waiting
from notifier.reports.delivery_report import alert_sums, why_waiting


@click.group(cls=LazyGroup)
def alert() -> None:
    """What was told, and what became of it. An alert is named by its id, or by its entry's uid: the
    entry's latest.
    """


alert.add_command(
    LazyCommand(
        "show",
        "cli.alert_progress:show_alert",
        "Show an alert: how far it is by service, how fast, what went wrong in the remote's words,"
        " why it waits.",
    )
)


_COLUMNS = ("id", "kind", "title", "owed", "sent", "failed", "unknown", "skipped", "created_at")


@alert.command("list")
@list_options(50)
def list_alerts(options: ListOptions) -> None:
    """List alerts, newest first: how many are owed, sent, failed, unknown, skipped."""
    db = open_context().db

    def read(last: dict[str, Any] | None, size: int) -> list[dict[str, Any]]:
        with db.read() as tx:
            return alert_sums(tx, size, before=last["id"] if last else None)

    rows = walk(read, options)
    print_list(
        rows,
        options,
        value=dict,
        cells=_cells,
        header=(*_COLUMNS, ""),
        empty="Nothing was alerted yet.",
    )
    with db.read() as tx:
        reasons = why_waiting(tx)
    for reason in reasons:
        click.echo(reason, err=True)


def _cells(one: dict[str, Any]) -> tuple[object, ...]:
    return (*(one[name] for name in _COLUMNS), _standing(one))


def _standing(one: dict[str, object]) -> str:
    return (
        "stopped"
        if one["stopped_at"]
        else "waits"
        if one["waits_for"]
        else "held"
        if one["held_at"]
        else ""
    )


def _find(context: CommandContext, name: str) -> int:
    with context.db.read() as tx:
        return find_alert(tx, name).id


@alert.command("stop")
@click.argument("name")
@json_option
def stop(name: str, as_json: bool) -> None:
    """Send nothing more of an alert, on no node; what is on its way at this moment cannot be called
    back.

    Example: storywire alert stop 42
    """
    context = open_context()
    found = stop_alert(context.db, context.actor, _find(context, name))
    show(
        {"id": found.id, "stopped_at": found.stopped_at},
        f"Alert {found.id} is stopped.",
        as_json=as_json,
    )


@alert.command("resume")
@click.argument("name")
@json_option
def resume_one(name: str, as_json: bool) -> None:
    """Go on with an alert that was stopped or held."""
    context = open_context()
    id_ = _find(context, name)
    again = resume_alert(context.db, context.actor, id_)
    show(
        {"id": id_, "owed_again": again},
        f"Alert {id_} goes on; owed again: {again:,}.",
        as_json=as_json,
    )


@alert.command("retry")
@click.argument("name")
@click.option(
    "--unknown",
    is_flag=True,
    help="Also retry deliveries with unknown outcome; some people may get it twice.",
)
@json_option
def retry(name: str, unknown: bool, as_json: bool) -> None:
    """Send an alert to those who missed it: those for whom it failed."""
    context = open_context()
    id_ = _find(context, name)
    again = retry_alert(context.db, context.actor, id_, unknown=unknown)
    show(
        {"id": id_, "owed_again": again},
        f"Alert {id_} is owed again to {again:,}.",
        as_json=as_json,
    )


@click.command()
@json_option
def pause(as_json: bool) -> None:
    """Pause all sending on all nodes until `storywire resume`.  Posting goes on, and alerts wait."""
    context = open_context()
    pause_sending(context.db, context.actor)
    show(
        {"paused": True},
        "Nothing is sent any more. `storywire resume` lets it go on.",
        as_json=as_json,
    )


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask whether what waits shall go out.")
@json_option
def resume(yes: bool, as_json: bool) -> None:
    """Let alerts go out again after a pause or a hold, and say how many wait.

    Sending is held where the database may be a copy or was brought back (BASE_URL, the machine or
    the database is another one than before), where no worker ran for over an hour while alerts
    waited, and for single alerts that would come more than 6 hours late. Those that nobody wants
    any more can be stopped first: `storywire alert stop`.
    """
    context = open_context()
    with context.db.read() as tx:
        reasons, found = why_waiting(tx), waiting(tx)
    said = _said(found)
    if found.mails or found.channels or found.finding:
        confirm("\n".join([*reasons, said, "Let it go out?"]), yes=yes)
    resume_sending(context.db, context.actor)
    value = {
        "reasons": reasons,
        "mails": found.mails,
        "channels": found.channels,
        "finding": found.finding,
    }
    show(value, f"Sending goes on. {said}", as_json=as_json)


def _said(found: Waiting) -> str:
    verb = "waits" if found.mails + found.channels == 1 else "wait"
    parts = [f"{count(found.mails, 'mail')} and {count(found.channels, 'other message')} {verb}"]
    parts += [f"the oldest since {found.oldest:%Y-%m-%d %H:%M} UTC"] if found.oldest else []
    parts += (
        [f"recipients of {count(found.finding, 'alert')} are still to be found"]
        if found.finding
        else []
    )
    return ", ".join(parts) + "."
