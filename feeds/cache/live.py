"""The live document of a story: which entries are out, so that an open page knows how many are
newer than its own.
"""

import json
import re
from functools import partial

from feeds.cache.cached_response import MAX_AGE_ONE_MINUTE, NOT_FOUND, FinishedResponse, Rendered
from feeds.cache.response_cache import Make
from models.db.database import Database
from models.streams.page_queries import newest_seqs
from models.streams.streams import get_stream
from models.tables.stories import StreamState
from models.text.errors import Gone, MovedPermanently, NotFound

# seconds between two questions of an open page; any other state: none
POLL_SECONDS = {StreamState.LIVE: 15, StreamState.QUIET: 60}
_ADDRESS = re.compile(r"/streams/([^/]{1,120})/live\.json")
_ENDED_MAX_AGE = 60  # seconds: a story may be opened again


class LiveDocumentLoader:
    """Makes live documents, each at its one address."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def __call__(self, path: str) -> Make | None:
        """How the live document at that decoded path is made; None where none can lie there."""
        found = _ADDRESS.fullmatch(path)
        return partial(self._make, found[1]) if found else None

    def _make(self, slug: str, _anew: bool) -> Rendered | FinishedResponse:
        try:
            with self._db.read() as tx:
                stream = get_stream(tx, slug, public=True)
                seqs = newest_seqs(tx, stream)
        except MovedPermanently as exc:
            return FinishedResponse(
                "301 Moved Permanently",
                str(exc),
                (("Location", f"/streams/{exc.present}/live.json"), *MAX_AGE_ONE_MINUTE),
            )
        except NotFound:
            return NOT_FOUND
        except Gone as exc:
            return FinishedResponse("410 Gone", str(exc), MAX_AGE_ONE_MINUTE)
        ask = POLL_SECONDS.get(stream.state, 0)
        body = json.dumps(
            {"state": stream.state.value, "ask": ask, "entries": seqs}, separators=(",", ":")
        ).encode()
        return Rendered(
            render=lambda: body,
            same=body,
            content_type="application/json",
            cache_control=f"public, max-age={ask or _ENDED_MAX_AGE}",
            changed=stream.changed_at,
            stamp=stream.seq,
            stream=slug,
        )
