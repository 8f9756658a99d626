"""The limit: a WSGI callable that knows its answers, every header field of them, and does nothing
else.
"""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_folder = Path(os.environ["BENCH_FOLDER"])
_heads = {
    name: [tuple(field) for field in fields]
    for name, fields in json.loads((_folder / "heads.json").read_text()).items()
}
_bodies = {name: [(_folder / name).read_bytes()] for name in ("atom.xml", "atom.xml.gz")}
_etag = os.environ["BENCH_ETAG"]


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """200, plain or gzip, or 304."""
    if environ.get("HTTP_IF_NONE_MATCH") == _etag:
        start_response("304 Not Modified", _heads["304"])
        return []
    name = "atom.xml.gz" if environ.get("HTTP_ACCEPT_ENCODING") == "gzip" else "atom.xml"
    start_response("200 OK", _heads[name])
    return _bodies[name]
