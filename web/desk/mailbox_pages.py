"""The test inbox: e-mails that the demo caught."""

from pathlib import Path

from flask import Blueprint, Response, abort, render_template, request
from flask.typing import ResponseReturnValue

from models.tables.people import Role
from web.context import service
from web.desk.guard import requires
from web.dev_mailbox import caught, read_caught
from web.url_converters import number

bp = Blueprint("caught", __name__)

PAGE = 50
# A mail's own style may speak; nothing else in it may run, load or send.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action"
    " 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)


def caught_folder() -> Path | None:
    """Folder of the mail catcher; None where none was ever started."""
    folder = service().settings.data_dir / "caught"
    return folder if folder.is_dir() else None


@bp.get("/caught")
@requires(Role.ADMIN)
def show() -> ResponseReturnValue:
    offset = number(request.args.get("after")) or 0
    mails = caught(_folder(), limit=PAGE + 1, offset=offset)
    older = offset + PAGE if len(mails) > PAGE else None
    return render_template("desk/caught.html", at="caught", mails=mails[:PAGE], older=older)


@bp.get("/caught/<token:mail_id>")
@requires(Role.ADMIN)
def mail(mail_id: str) -> ResponseReturnValue:
    return render_template("desk/mail.html", at="caught", mail=read_caught(_folder(), mail_id))


@bp.get("/caught/<token:mail_id>/html")
@requires(Role.ADMIN)
def html(mail_id: str) -> ResponseReturnValue:
    return framed(read_caught(_folder(), mail_id).html or "")


def framed(html: str) -> Response:
    """HTML of an e-mail, as a page for a frame."""
    response = Response(html.replace("<head>", '<head><base target="_blank">', 1))
    response.headers["Content-Security-Policy"] = _POLICY
    return response


def _folder() -> Path:
    return caught_folder() or abort(
        404, "There’s no test inbox on this site: e-mails are really sent."
    )
