"""How the site answers for a feed: to those who have it already, who only look, and who take it
compressed.
"""

from collections.abc import Iterator

import click
import requests

from feeds.cache.feed_check import Finding, bad, warn
from feeds.document.feed_document import Format

TIMEOUT = 10.0  # seconds


class Asker:
    """Asks ``url`` for what lies at addresses below ``base_url``."""

    def __init__(self, base_url: str, url: str) -> None:
        self.base_url, self.url = base_url, url
        self._session = requests.Session()

    def __call__(self, address: str, method: str = "GET", **fields: str) -> requests.Response:
        """The answer at an address of the site; underscores in the names of fields stand for
        hyphens.
        """
        headers = {"Accept-Encoding": "identity"} | {
            name.replace("_", "-"): value for name, value in fields.items()
        }
        where = self.url + address.removeprefix(self.base_url)
        try:
            return self._session.request(
                method, where, headers=headers, timeout=TIMEOUT, allow_redirects=False
            )
        except requests.RequestException as exc:
            raise click.ClickException(
                f"{self.url} does not answer: start the service with `storywire serve`, or name"
                " another address with --url."
            ) from exc


def check_answers(
    ask: Asker, address: str, fmt: Format, first: requests.Response
) -> Iterator[Finding]:
    """What HTTP promises about the document that ``first`` brought: validators, HEAD, and each
    coding.
    """
    tag, modified = first.headers.get("ETag", ""), first.headers.get("Last-Modified")
    if (found := first.headers.get("Content-Type", "").partition(";")[0]) != fmt.media_type:
        yield bad(
            f"Its Content-Type is {found or 'missing'} instead of {fmt.media_type}: let the proxy"
            " pass it on."
        )
    if "Set-Cookie" in first.headers:
        yield warn("It sets a cookie, so caches do not keep it: take the cookie away in the proxy.")
    if ask(address, If_None_Match=tag or '""').status_code != 304:
        yield bad(
            "A reader who has it already gets it again: let the proxy pass ETag and"
            " If-None-Match on."
        )
    if modified is None:
        yield warn(
            "It has no Last-Modified, which is right only within the second of a change: ask again."
        )
    elif ask(address, If_Modified_Since=modified).status_code != 304:
        yield bad(
            "A reader who compares dates gets it again: let the proxy pass Last-Modified and"
            " If-Modified-Since on."
        )
    head = ask(address, "HEAD")
    names = ("ETag", "Content-Type", "Content-Length")
    if head.status_code != 200 or [head.headers.get(name) for name in names] != [
        first.headers.get(name) for name in names
    ]:
        yield bad("HEAD answers otherwise than GET: let the proxy pass HEAD on.")
    for coding in ("gzip", "br"):
        yield from _coding(ask, address, coding, first)


def _coding(ask: Asker, address: str, coding: str, first: requests.Response) -> Iterator[Finding]:
    packed = ask(address, Accept_Encoding=coding)
    tag = packed.headers.get("ETag", "")
    if packed.headers.get("Content-Encoding") != coding:
        if coding == "gzip":  # a proxy that does not know brotli is none the worse
            yield warn(
                "It is not compressed for those who take gzip: let the proxy pass"
                " Accept-Encoding on."
            )
        return
    if packed.content != first.content:
        yield bad(f"It differs when it is sent as {coding}: let the proxy leave it as it is.")
    if "accept-encoding" not in packed.headers.get("Vary", "").lower():
        yield bad(
            f"Caches may send {coding} to those who do not take it: let the proxy pass Vary on."
        )
    if tag == first.headers.get("ETag") and not tag.startswith("W/"):
        yield bad(
            f"It has the same ETag plain and as {coding}: let the proxy leave ETags and compressed"
            " answers as they are."
        )
    if ask(address, Accept_Encoding=coding, If_None_Match=tag or '""').status_code != 304:
        yield bad(
            f"A reader who has it as {coding} gets it again: let the proxy pass the ETags of"
            " compressed answers on."
        )


def max_age(answer: requests.Response) -> int | None:
    """Seconds for which the answer stays fresh."""
    parts = (
        part.strip().partition("=") for part in answer.headers.get("Cache-Control", "").split(",")
    )
    return next(
        (int(value) for name, _, value in parts if name == "max-age" and value.isdecimal()), None
    )
