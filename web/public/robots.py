"""What search engines ask for first: where they may go, and what there is."""

from collections.abc import Iterable
from datetime import datetime

from flask import Blueprint
from flask.typing import ResponseReturnValue

from models.streams.sitemap import sitemap_entries, sitemap_parts, sitemap_streams
from models.text.errors import NotFound
from web.context import service
from web.links import entry_url, site_url, stream_url
from web.private_response import answer

robots = Blueprint("robots", __name__)

_CLOSED = ("/desk", "/login", "/p/", "/u/", "/search")
_XMLNS = "http://www.sitemaps.org/schemas/sitemap/0.9"
_HOUR = "public, max-age=3600"


@robots.get("/robots.txt")
def where() -> ResponseReturnValue:
    """Pages and feeds are open to all."""
    lines = [
        "User-agent: *",
        *(f"Disallow: {path}" for path in _CLOSED),
        "",
        f"Sitemap: {site_url('/sitemap.xml')}",
        "",
    ]
    return answer("\n".join(lines), content_type="text/plain; charset=utf-8", cache_control=_HOUR)


@robots.get("/sitemap.xml")
def index() -> ResponseReturnValue:
    """The list of lists: stories, and entries in parts."""
    with service().db.read() as tx:
        found = sitemap_parts(tx)
    urls = [site_url("/sitemap-stories.xml"), *(site_url(f"/sitemap-{part}.xml") for part in found)]
    return _xml("sitemapindex", (f"<sitemap><loc>{url}</loc></sitemap>\n" for url in urls))


@robots.get("/sitemap-stories.xml")
def of_stories() -> ResponseReturnValue:
    """The index and each story."""
    with service().db.read() as tx:
        found = sitemap_streams(tx)
    return _xml(
        "urlset", [_url(site_url("/")), *(_url(stream_url(slug), at) for slug, at in found)]
    )


@robots.get("/sitemap-<int(max=9223372036854):part>.xml")
def of_entries(part: int) -> ResponseReturnValue:
    """The entries of a part, light rows of one statement."""
    with service().db.read() as tx:
        found = sitemap_entries(tx, part)
    if not found:
        raise NotFound("sitemap", str(part))
    return _xml("urlset", (_url(entry_url(slug, uid), at) for slug, uid, at in found))


def _url(url: str, at: datetime | None = None) -> str:
    """Of characters that need no escaping: an address of ours has no others."""
    changed = f"<lastmod>{at.isoformat(timespec='seconds')}</lastmod>" if at else ""
    return f"<url><loc>{url}</loc>{changed}</url>\n"


def _xml(root: str, lines: Iterable[str]) -> ResponseReturnValue:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}'
        f' xmlns="{_XMLNS}">\n{"".join(lines)}</{root}>\n'
    )
    return answer(body, content_type="application/xml; charset=utf-8", cache_control=_HOUR)
