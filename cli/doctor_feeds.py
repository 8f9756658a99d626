"""`storywire doctor feeds`: fetch the site's feeds as a feed reader does, and check the answers."""

import importlib
import json
from calendar import timegm
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import requests
from lxml import etree

from cli.command_context import json_option, open_context, show, table
from feeds.document.feed_address import FeedTopic, Flavour, Scope
from feeds.document.feed_document import Format
from models.streams.streams import get_stream, list_streams

TIMEOUT_SECONDS = 10.0
CLOCK_SKEW = timedelta(minutes=1)

try:  # installed by operators who want the feeds parsed by the library of many readers
    feedparser: Any = importlib.import_module("feedparser")
except ImportError:
    feedparser = None


@dataclass(frozen=True)
class FeedCheck:
    path: str
    verdict: str  # "ok" or "bad"
    problems: list[str]


@click.command("feeds")
@click.argument("stream", required=False)
@click.option("--url", metavar="URL", help="Fetch from this address instead of BASE_URL.")
@json_option
def feeds(stream: str | None, url: str | None, as_json: bool) -> None:
    """Check the site's feeds, or those of STREAM, as a feed reader would. Exits 1 on problems.

    Checks status, Content-Type, the 304 for an unchanged feed, whether it can be parsed, and dates.
    """
    context = open_context()
    root = (url or context.settings.base_url).rstrip("/")
    with context.db.read() as tx:
        if stream:
            topics = [FeedTopic(Scope.STREAM, get_stream(tx, stream, public=True).slug)]
        else:
            slugs = [public.slug for public in list_streams(tx, public=True)]
            topics = [FeedTopic(), *(FeedTopic(Scope.STREAM, slug) for slug in slugs)]
    checks = []
    for topic in topics:
        for flavour in Flavour:
            for fmt in Format:
                path = replace(topic, flavour=flavour).folder + fmt.file_name
                problems = list(_problems(root, path, fmt))
                checks.append(FeedCheck(path, "bad" if problems else "ok", problems))
    rows = [(check.verdict, check.path, " ".join(check.problems)) for check in checks]
    show([asdict(check) for check in checks], table(rows, empty=""), as_json=as_json)
    if any(check.problems for check in checks):
        raise click.exceptions.Exit(1)


def _problems(root: str, path: str, fmt: Format) -> Iterator[str]:
    answer = _fetch(root, path)
    if answer.status_code != 200:
        yield f"Its status is {answer.status_code} instead of 200."
        return
    content_type = answer.headers.get("Content-Type", "")
    if content_type.partition(";")[0] != fmt.media_type:
        yield f"Its Content-Type is {content_type or 'missing'} instead of {fmt.media_type}."
    etag = answer.headers.get("ETag")
    if etag is None or _fetch(root, path, etag).status_code != 304:
        yield "An unchanged feed is sent again instead of a 304: the proxy must keep the ETag."
    try:
        dates = _entry_dates(answer.content, fmt)
    except (ValueError, LookupError, TypeError, etree.XMLSyntaxError) as exc:
        yield f"It cannot be parsed: {exc}."
        return
    if any(date is None for date in dates):
        yield "An entry has no readable date."
    if any(date and date > datetime.now(UTC) + CLOCK_SKEW for date in dates):
        yield "An entry is dated in the future: compare the clocks of this machine and the service."


def _fetch(root: str, path: str, etag: str | None = None) -> requests.Response:
    headers = {"If-None-Match": etag} if etag else {}
    try:
        return requests.get(
            root + path, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
        )
    except requests.RequestException as exc:
        raise click.ClickException(
            f"{root} does not answer: start the service with `storywire serve`, or name another"
            " address with --url."
        ) from exc


def _entry_dates(body: bytes, fmt: Format) -> list[datetime | None]:
    """When the entries were published; of XML none without feedparser.  Raises what parsers do."""
    if fmt is Format.JSON:
        items = json.loads(body)["items"]
        return [datetime.fromisoformat(item["date_published"]) for item in items]
    etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    if feedparser is None:
        return []
    parsed = feedparser.parse(body)
    if parsed.bozo:
        raise ValueError(parsed.bozo_exception)
    times = [entry.get("published_parsed") for entry in parsed.entries]
    return [datetime.fromtimestamp(timegm(time), UTC) if time else None for time in times]
