"""Pictures: uploaded ahead of the text by a script, or with its form; and shown on the desk."""

from dataclasses import replace

from flask import Blueprint, Response, jsonify, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from models.streams.pictures import add_picture, pictures_by_name
from models.tables.media import MAX_PICTURE_BYTES
from models.tables.people import Role
from models.text.errors import Invalid, NotFound, ServiceError
from web.context import service
from web.desk.forms import EntryForm
from web.desk.guard import requires
from web.error_pages import on_form_error
from web.form_values import lines
from web.language import reason
from web.login import current_actor

bp = Blueprint("pictures", __name__)


@bp.post("/pictures")
@requires(Role.AUTHOR)
def send() -> ResponseReturnValue:
    with on_form_error(_problem):
        files = sent_files()
        if not files:
            raise Invalid("picture", "choose a file.")
        return jsonify(picture=_keep(files[0])), 201


@bp.get("/pictures/<sha256:sha256>")
@requires(Role.AUTHOR)
def show(sha256: str) -> ResponseReturnValue:
    with service().db.read() as tx:
        stored = pictures_by_name(tx, [sha256]).get(sha256)
    if stored is None:
        raise NotFound("picture", sha256)
    return redirect(stored.smallest.path, 302)


def _problem(error: ServiceError) -> Response:
    return jsonify(problem=reason(error))


def with_files(form: EntryForm) -> EntryForm:
    """The form with uploaded files appended to its pictures; raises Invalid."""
    uploaded = [_keep(file) for file in sent_files()]
    return replace(form, picture="\n".join([*lines(form.picture), *uploaded]))


def kept_file(former: str) -> str:
    """The name of the first uploaded picture, else ``former``."""
    sent = sent_files()
    return _keep(sent[0]) if sent else former


def sent_files() -> list[FileStorage]:
    return [file for file in request.files.getlist("file") if file.filename]


def _keep(file: FileStorage) -> str:
    return add_picture(
        service().db, current_actor(), file.stream.read(MAX_PICTURE_BYTES + 1)
    ).sha256
