"""The usual ways in Flask: a view that sends bytes which it has in memory, and one that builds the
feed with feedgen at each request.
"""

import json
import os
from datetime import datetime
from pathlib import Path

from feedgen.feed import FeedGenerator  # type: ignore[import-untyped]
from flask import Flask, Response, request

_folder = Path(os.environ["BENCH_FOLDER"])
_bytes = {name: (_folder / name).read_bytes() for name in ("atom.xml", "atom.xml.gz")}
_document = json.loads((_folder / "feed.json").read_text())
_etag = os.environ["BENCH_ETAG"]
_TYPE = "application/atom+xml; charset=utf-8"
app = Flask(__name__)


@app.get("/streams/<slug>/atom.xml")
def ready(slug: str) -> Response:  # noqa: ARG001  the route has it
    """The bytes, or a 304, with the header fields that it takes."""
    headers = {"ETag": _etag, "Cache-Control": "public, max-age=60", "Vary": "Accept-Encoding"}
    if request.headers.get("If-None-Match") == _etag:
        return Response(status=304, headers=headers)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return Response(
            _bytes["atom.xml.gz"],
            headers=headers | {"Content-Encoding": "gzip"},
            content_type=_TYPE,
        )
    return Response(_bytes["atom.xml"], headers=headers, content_type=_TYPE)


@app.get("/feedgen/atom.xml")
def built() -> Response:
    """The feed, built for each request, without conditional requests, as in tutorials."""
    feed = FeedGenerator()
    feed.id(_document["feed_url"])
    feed.title(_document["title"])
    feed.link(href=_document["home_page_url"])
    for item in _document["items"]:
        entry = feed.add_entry(order="append")
        entry.id(item["id"])
        entry.title(item["title"])
        entry.link(href=item["url"])
        entry.author([{"name": author["name"]} for author in item["authors"]])
        entry.content(item["content_html"], type="html")
        entry.published(datetime.fromisoformat(item["date_published"]))
        entry.updated(datetime.fromisoformat(item["date_published"]))
    return Response(feed.atom_str(), content_type=_TYPE)
