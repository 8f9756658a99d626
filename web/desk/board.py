"""The desk's start page and the list of entries."""

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from models.alerts.send_hold import may_send
from models.db.clock import now
from models.publishing.scheduling import scheduled_entries
from models.streams.autosave import list_autosaves
from models.streams.entries import list_entries
from models.streams.page_queries import account_names, board, confirmed_recipients
from models.streams.review_queue import waiting_alerts
from models.streams.search import search
from models.streams.streams import list_streams
from models.tables.people import Role
from models.tables.stories import EntryState
from notifier.reports.delivery_report import alert_sums, why_waiting
from notifier.reports.last_day import channels, last_day
from web import plots
from web.context import service
from web.dates import local
from web.desk.forms import choice
from web.desk.guard import requires
from web.login import current_actor, may_publish
from web.url_converters import number

bp = Blueprint("board", __name__)

_ALERTS = 8
_ENTRIES = 100
_LISTED = 20
_STREAMS = 20


@bp.get("/")
@requires(Role.AUTHOR)
def show() -> ResponseReturnValue:
    with service().db.read() as tx:
        return render_template(
            "desk/board.html",
            at="board",
            board=board(tx, limit=_STREAMS),
            day=last_day(tx),
            channels=channels(tx),
            recent=list_entries(tx, EntryState.PUBLISHED, EntryState.RETRACTED, limit=5),
            alerts=alert_sums(tx, _ALERTS),
            held=why_waiting(tx),
            still=not may_send(tx),
            now=now(tx),
            kept=list_autosaves(tx, current_actor()),
            plots=plots,
            recipients=confirmed_recipients(tx),
            **_waiting(tx),
        )


def _waiting(tx: Session) -> dict[str, Any]:
    """Items that wait for the reader of the page, and today's schedule."""
    me = current_actor().account_id
    submitted = list_entries(tx, EntryState.SUBMITTED, limit=_LISTED)
    drafts = list_entries(tx, EntryState.DRAFT, account_id=me, limit=_LISTED)
    late = scheduled_entries(tx, late=True, limit=_LISTED)
    today = scheduled_entries(tx, until=_midnight(now(tx)), late=False, limit=_LISTED)
    on_desk = waiting_alerts(tx, limit=_LISTED) if may_publish() else []
    account_ids = [entry.submitted_by or entry.account_id for entry in submitted]
    account_ids += [entry.account_id for entry in today]
    account_ids += [alert.account_id for alert in on_desk]
    # The longest wait comes first, and returned drafts before other drafts.
    return {
        "submitted": sorted(submitted, key=lambda entry: entry.changed_at),
        "drafts": sorted(drafts, key=lambda entry: not entry.remark),
        "today": today,
        "late": late,
        "on_desk": on_desk,
        "names": account_names(tx, account_ids),
    }


def _midnight(at: datetime) -> datetime:
    """The end of the day in the site's time zone."""
    day = local(at, service().settings.site_timezone) + timedelta(days=1)
    return day.replace(hour=0, minute=0, second=0, microsecond=0)


@bp.get("/entries")
@requires(Role.AUTHOR)
def entries() -> ResponseReturnValue:
    """The last 100 entries changed, by state or story, or results of a search."""
    wanted, slug, typed = (request.args.get(name, "") for name in ("state", "stream", "q"))
    states = []
    if wanted:
        states.append(choice(EntryState, "state", wanted))
    with service().db.read() as tx:
        streams = list_streams(tx)
        stream = next((stream for stream in streams if stream.slug == slug), None)
        if typed.strip():
            before = number(request.args.get("before"))
            page = search(tx, typed, stream=stream, public=False, before=before)
            listed = page.entries
            older = page.older
        else:
            stream_id = stream.id if stream else None
            listed = list_entries(tx, *states, stream_id=stream_id, limit=_ENTRIES)
            older = None
        names = account_names(tx, [entry.account_id for entry in listed])
    return render_template(
        "desk/entries.html",
        at="entries",
        names=names,
        entries=listed,
        older=older,
        typed=typed.strip(),
        wanted=wanted,
        stream=stream,
    )
