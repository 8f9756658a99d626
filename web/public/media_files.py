"""Pictures, as files that never change: a name is the digest of what it names."""

from flask import Blueprint, Response, request

from feeds.cache.cached_response import ANY_ORIGIN
from feeds.cache.validators import conditional
from models.streams.pictures import get_picture_file
from web.context import service

media = Blueprint("media", __name__)

_FOR_GOOD = "public, max-age=31536000, immutable"


@media.get("/media/<sha256:sha256>.<extension>")
def picture(sha256: str, extension: str) -> Response:
    """One size of a picture, for everyone who knows its name, as for any file that was public."""
    tag = f'"{sha256}"'
    status = conditional(request.headers, tag, None)
    with service().db.read() as tx:
        file = get_picture_file(tx, sha256, extension, with_data=status == 200)
    body = file.data if status == 200 else b""
    response = Response(body, status, content_type=file.media_type)
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = _FOR_GOOD
    response.headers.set(*ANY_ORIGIN)
    return response
