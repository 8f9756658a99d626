"""The limit: a WSGI callable that knows its bytes and its ETag, and does nothing else."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_body = Path(os.environ["BENCH_FEED"]).read_bytes()
_etag = os.environ["BENCH_ETAG"]
_headers = [("ETag", _etag), ("Cache-Control", "public, max-age=60")]
_whole = [*_headers, ("Content-Type", "application/atom+xml; charset=utf-8"), ("Content-Length", str(len(_body)))]


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """200 or 304."""
    if environ.get("HTTP_IF_NONE_MATCH") == _etag:
        start_response("304 Not Modified", _headers)
        return []
    start_response("200 OK", _whole)
    return [_body]
