"""The desk: where the newsroom works.  Each page is for people who are logged in, and each form holds their CSRF token."""

from flask import Blueprint

from web.desk import account, accounts, alerts, board, caught, channels, entries, flow, kept, pictures, post, revise, streams, subscribers
from web.desk.guard import guard, tell_workers

desk = Blueprint("desk", __name__, url_prefix="/desk")
desk.before_request(guard)
desk.after_request(tell_workers)
for part in (account, accounts, alerts, board, caught, channels, entries, flow, kept, pictures, post, revise, streams, subscribers):
    desk.register_blueprint(part.bp)
