"""The usual way: a Flask view that builds the feed with feedgen at each request, from entries that it has in memory."""

import json
import os
from datetime import datetime
from pathlib import Path

from feedgen.feed import FeedGenerator
from flask import Flask, Response

_document = json.loads(Path(os.environ["BENCH_JSON"]).read_text())
app = Flask(__name__)


@app.get("/streams/<slug>/atom.xml")
def feed(slug: str) -> Response:
    """The feed, without conditional requests, as in tutorials."""
    made = FeedGenerator()
    made.id(_document["feed_url"])
    made.title(_document["title"])
    made.link(href=f"{_document['home_page_url']}#{slug}")
    for item in _document["items"]:
        entry = made.add_entry(order="append")
        entry.id(item["id"])
        entry.title(item["title"])
        entry.link(href=item["url"])
        entry.author([{"name": author["name"]} for author in item["authors"]])
        entry.content(item["content_html"], type="html")
        entry.published(datetime.fromisoformat(item["date_published"]))
        entry.updated(datetime.fromisoformat(item["date_published"]))
    return Response(made.atom_str(), content_type="application/atom+xml; charset=utf-8")
