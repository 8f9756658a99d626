"""Files for search engines: robots.txt and the sitemaps."""

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
    """The list of sitemaps: one of stories, and the entries in parts."""
    urls = [site_url("/sitemap-stories.xml")]
    with service().db.read() as tx:
        urls += [site_url(f"/sitemap-{part}.xml") for part in sitemap_parts(tx)]
    return _xml("sitemapindex", (f"<sitemap><loc>{url}</loc></sitemap>\n" for url in urls))


@robots.get("/sitemap-stories.xml")
def of_stories() -> ResponseReturnValue:
    """The front page and each story."""
    urls = [_url(site_url("/"))]
    with service().db.read() as tx:
        urls += [_url(stream_url(slug), at) for slug, at in sitemap_streams(tx)]
    return _xml("urlset", urls)


@robots.get("/sitemap-<int(max=9223372036854):part>.xml")
def of_entries(part: int) -> ResponseReturnValue:
    with service().db.read() as tx:
        rows = sitemap_entries(tx, part)
    if not rows:
        raise NotFound("sitemap", str(part))
    return _xml("urlset", (_url(entry_url(slug, uid), at) for slug, uid, at in rows))


def _url(url: str, at: datetime | None = None) -> str:
    # The addresses of this site contain no characters that need escaping.
    changed = f"<lastmod>{at.isoformat(timespec='seconds')}</lastmod>" if at else ""
    return f"<url><loc>{url}</loc>{changed}</url>\n"


def _xml(root: str, lines: Iterable[str]) -> ResponseReturnValue:
    declaration = '<?xml version="1.0" encoding="UTF-8"?>'
    body = f'{declaration}\n<{root} xmlns="{_XMLNS}">\n{"".join(lines)}</{root}>\n'
    return answer(body, content_type="application/xml; charset=utf-8", cache_control=_HOUR)
