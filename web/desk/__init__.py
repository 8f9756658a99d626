"""The desk: pages for logged-in staff.  Each form carries a CSRF token."""

from flask import Blueprint

from web.desk import (
    account_pages,
    alert_pages,
    autosave_forms,
    board,
    channel_pages,
    entry_flow,
    entry_pages,
    mailbox_pages,
    own_account,
    picture_pages,
    post,
    revise,
    stream_pages,
    subscribers,
)
from web.desk.guard import guard, tell_workers

desk = Blueprint("desk", __name__, url_prefix="/desk")
desk.before_request(guard)
desk.after_request(tell_workers)
for part in (
    own_account,
    account_pages,
    alert_pages,
    board,
    mailbox_pages,
    channel_pages,
    entry_pages,
    entry_flow,
    autosave_forms,
    picture_pages,
    post,
    revise,
    stream_pages,
    subscribers,
):
    desk.register_blueprint(part.bp)
