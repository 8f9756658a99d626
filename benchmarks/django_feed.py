"""Django's syndication feed with its conditional middleware, over the same entries, which it has in
memory.
"""

import json
import os
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.contrib.syndication.views import Feed
from django.core.wsgi import get_wsgi_application
from django.urls import path
from django.utils.feedgenerator import Atom1Feed

_document = json.loads((Path(os.environ["BENCH_FOLDER"]) / "feed.json").read_text())


class Stream(Feed):
    """As its documentation does it."""

    feed_type = Atom1Feed
    title, link = _document["title"], _document["home_page_url"]

    def items(self):
        return _document["items"]

    def item_title(self, item):
        return item["title"]

    def item_description(self, item):
        return item["content_html"]

    def item_link(self, item):
        return item["url"]

    def item_guid(self, item):
        return item["id"]

    def item_author_name(self, item):
        return item["authors"][0]["name"]

    def item_pubdate(self, item):
        return datetime.fromisoformat(item["date_published"])

    item_updateddate = item_pubdate


def stream(request, slug):  # noqa: ARG001
    return Stream()(request)


urlpatterns = [path("streams/<slug>/atom.xml", stream)]
settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for a benchmark",
    USE_TZ=True,
    MIDDLEWARE=["django.middleware.http.ConditionalGetMiddleware"],
)
app = get_wsgi_application()
