"""Pictures on the desk: sent ahead of the text by a script, or with its form; and shown there."""

from dataclasses import replace

from flask import Blueprint, jsonify, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from models.streams.pictures import add_picture, pictures_by_name
from models.tables.media import MAX_PICTURE_BYTES
from models.tables.people import Role
from models.text.errors import Invalid, NotFound
from web.context import service
from web.desk.forms import EntryForm
from web.desk.guard import requires
from web.error_pages import on_form_error
from web.form_values import lines
from web.login import current_actor

bp = Blueprint("pictures", __name__)


@bp.post("/pictures")
@requires(Role.AUTHOR)
def send() -> ResponseReturnValue:
    """Keep a picture, and say by which name a form shows it."""
    on_form_error(
        lambda error: jsonify(problem=error.reason if isinstance(error, Invalid) else str(error))
    )
    sent = sent_files()
    if not sent:
        raise Invalid("picture", "choose a file.")
    return jsonify(picture=_keep(sent[0])), 201


@bp.get("/pictures/<sha256:sha256>")
@requires(Role.AUTHOR)
def show(sha256: str) -> ResponseReturnValue:
    """The smallest size of a picture."""
    with service().db.read() as tx:
        found = pictures_by_name(tx, [sha256]).get(sha256)
    if found is None:
        raise NotFound("picture", sha256)
    return redirect(found.smallest.path, 302)


def with_files(form: EntryForm) -> EntryForm:
    """The form with the files that were sent with it behind its other pictures; raises Invalid."""
    kept = [_keep(file) for file in sent_files()]
    return replace(form, picture="\n".join([*lines(form.picture), *kept]))


def kept_file(former: str) -> str:
    """The name of the picture that was sent with a form, of several the first; ``former`` where
    there is none.
    """
    sent = sent_files()
    return _keep(sent[0]) if sent else former


def sent_files() -> list[FileStorage]:
    """The files that somebody chose."""
    return [file for file in request.files.getlist("file") if file.filename]


def _keep(file: FileStorage) -> str:
    return add_picture(
        service().db, current_actor(), file.stream.read(MAX_PICTURE_BYTES + 1)
    ).sha256
