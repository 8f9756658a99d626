"""The desk's first page: what waits, what runs, what became of the last alerts."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from models.clock import now
from models.entries import list_entries
from models.kept import unfinished
from models.reading import account_names, board, confirmed_recipients
from models.stories import EntryState
from models.streams import list_streams
from notifier.report import alert_sums, why_waiting
from web.context import service
from web.desk.forms import choice
from web.login import current_actor

bp = Blueprint("board", __name__)

_ALERTS, _ENTRIES = 8, 100


@bp.get("/")
def show() -> ResponseReturnValue:
    """The whole newsroom on one page."""
    with service().db.read() as tx:
        waiting = list_entries(tx, EntryState.SUBMITTED, EntryState.DRAFT, limit=20)
        scheduled = list_entries(tx, EntryState.SCHEDULED, limit=20)
        recent = list_entries(tx, EntryState.PUBLISHED, EntryState.RETRACTED, limit=10)
        names = account_names(tx, [entry.account_id for entry in (*waiting, *scheduled)])
        return render_template(
            "desk/board.html",
            at="board",
            board=board(tx),
            waiting=sorted(waiting, key=lambda entry: entry.state is not EntryState.SUBMITTED),
            scheduled=sorted(scheduled, key=lambda entry: entry.publish_at or entry.changed_at),
            recent=recent,
            names=names,
            alerts=alert_sums(tx, _ALERTS),
            held=why_waiting(tx),
            now=now(tx),
            kept=unfinished(tx, current_actor()),
            recipients=confirmed_recipients(tx),
        )


@bp.get("/entries")
def entries() -> ResponseReturnValue:
    """The last 100 entries that were changed: all, or those of one state, or of one story."""
    wanted, slug = request.args.get("state", ""), request.args.get("stream", "")
    states = [choice(EntryState, "state", wanted)] if wanted else []
    with service().db.read() as tx:
        streams = list_streams(tx)
        stream = next((stream for stream in streams if stream.slug == slug), None)
        found = list_entries(tx, *states, stream_id=stream.id if stream else None, limit=_ENTRIES)
        names = account_names(tx, [entry.account_id for entry in found])
    return render_template("desk/entries.html", at="entries", entries=found, names=names, wanted=wanted, stream=stream)
