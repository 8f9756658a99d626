"""What a supervisor or load balancer asks."""

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from models.site import current_seq
from web.context import service

health = Blueprint("health", __name__)

_HEADERS = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}


@health.get("/healthz")
def alive() -> ResponseReturnValue:
    """This process answers."""
    return "ok\n", 200, _HEADERS


@health.get("/readyz")
def ready() -> ResponseReturnValue:
    """It can do its work, too: the database answers and has its tables and the site's row."""
    try:
        with service().db.read() as tx:
            current_seq(tx)
    except SQLAlchemyError:
        return "The database does not answer, or has no tables yet.\n", 503, _HEADERS
    return "ready\n", 200, _HEADERS
