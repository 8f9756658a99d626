"""Alerts: progress, failures, and the buttons that stop or resume sending."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, ngettext  # type: ignore[import-untyped]

from models.alerts.alert_control import resume_alert, retry_alert, stop_alert
from models.alerts.send_hold import may_send, pause_sending, resume_sending, waiting
from models.tables.people import Role
from notifier.reports.alert_overview import is_done, overview
from notifier.reports.delivery_report import alert_sums, why_waiting
from notifier.reports.reach import reach
from web.context import service
from web.desk.guard import requires
from web.login import current_actor

bp = Blueprint("alerts", __name__)

_ALERTS = 100
_TROUBLES = 100
_ID = "<int(max=9223372036854775807):alert_id>"


@bp.get("/alerts")
@requires(Role.EDITOR)
def index() -> ResponseReturnValue:
    with service().db.read() as tx:
        alerts = alert_sums(tx, _ALERTS)
        reasons = why_waiting(tx)
        still = not may_send(tx)
    return render_template(
        "desk/alerts.html",
        at="alerts",
        alerts=alerts,
        reasons=reasons,
        still=still,
        standing=standing,
    )


@bp.get(f"/alerts/{_ID}")
@requires(Role.EDITOR)
def show(alert_id: int) -> ResponseReturnValue:
    with service().db.read() as tx:
        alert = overview(tx, alert_id, troubles=_TROUBLES)
        (alert_reach,) = reach(tx, alert_id=alert_id, failed=0)
    return render_template(
        "desk/alert.html",
        at="alerts",
        found=alert,
        sums=alert.sums,
        reach=alert_reach,
        standing=standing,
        left=left,
    )


@bp.post(f"/alerts/{_ID}/stop")
@requires(Role.EDITOR)
def stop(alert_id: int) -> ResponseReturnValue:
    stop_alert(service().db, current_actor(), alert_id)
    return _back(alert_id)


@bp.post(f"/alerts/{_ID}/resume")
@requires(Role.EDITOR)
def go_on(alert_id: int) -> ResponseReturnValue:
    resume_alert(service().db, current_actor(), alert_id)
    return _back(alert_id)


@bp.post(f"/alerts/{_ID}/retry")
@requires(Role.EDITOR)
def retry(alert_id: int) -> ResponseReturnValue:
    retry_alert(service().db, current_actor(), alert_id, unknown="unknown" in request.form)
    return _back(alert_id)


@bp.post("/alerts/pause")
@requires(Role.ADMIN)
def pause() -> ResponseReturnValue:
    pause_sending(service().db, current_actor())
    return redirect(url_for("desk.alerts.index"), 303)


@bp.get("/alerts/resume")
@requires(Role.ADMIN)
def ask_resume() -> ResponseReturnValue:
    with service().db.read() as tx:
        reasons = why_waiting(tx)
        pending = waiting(tx)
    return render_template("desk/alerts_resume.html", at="alerts", reasons=reasons, waiting=pending)


@bp.post("/alerts/resume")
@requires(Role.ADMIN)
def resume() -> ResponseReturnValue:
    resume_sending(service().db, current_actor())
    return redirect(url_for("desk.alerts.index"), 303)


def standing(sums: Mapping[str, Any]) -> str:
    """The stage of an alert, as `web.desk.labels` names it."""
    if sums["stopped_at"]:
        return "stopped"
    if sums["waits_for"]:
        return "waits"
    if sums["held_at"]:
        return "held"
    if is_done(sums):
        return "out"
    if sums["expanded"]:
        return "sending"
    return "finding"


def left(seconds: float) -> str:
    """Roughly the time until everything is sent."""
    minutes = round(seconds / 60)
    hours = round(seconds / 3600)
    if hours >= 2:
        text = ngettext("about %(num)s hour left", "about %(num)s hours left", hours)
    elif minutes >= 1:
        text = ngettext("about %(num)s minute left", "about %(num)s minutes left", minutes)
    else:
        text = gettext("less than a minute left")
    return str(text)


def _back(alert_id: int) -> ResponseReturnValue:
    return redirect(url_for("desk.alerts.show", alert_id=alert_id), 303)
