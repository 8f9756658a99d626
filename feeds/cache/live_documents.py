"""Live documents: the published entries of a stream, by which an open page counts newer ones."""

import json
import re
from functools import partial

from feeds.cache.cached_response import MAX_AGE_ONE_MINUTE, NOT_FOUND, FinishedResponse, Rendered
from feeds.cache.response_cache import Loader
from models.db.database import Database
from models.streams.page_queries import newest_seqs
from models.streams.streams import get_stream
from models.tables.stories import StreamState
from models.text.errors import Gone, MovedPermanently, NotFound

# Between two requests of an open page; in any other state it makes none.
POLL_SECONDS = {StreamState.LIVE: 15, StreamState.QUIET: 60}
_PATH = re.compile(r"/streams/([^/]{1,120})/live\.json")
_ENDED_MAX_AGE_SECONDS = 60  # a stream may be opened again


class LiveDocuments:
    """Finds the loader of each live document."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def __call__(self, path: str) -> Loader | None:
        """The loader of the live document at that decoded path; None where none can be."""
        match = _PATH.fullmatch(path)
        return partial(self._load, match[1]) if match else None

    def _load(self, slug: str, _reread: bool) -> Rendered | FinishedResponse:
        try:
            with self._db.read() as tx:
                stream = get_stream(tx, slug, public=True)
                seqs = newest_seqs(tx, stream)
        except MovedPermanently as exc:
            location = ("Location", f"/streams/{exc.present}/live.json")
            headers = (location, *MAX_AGE_ONE_MINUTE)
            return FinishedResponse("301 Moved Permanently", str(exc), headers)
        except NotFound:
            return NOT_FOUND
        except Gone as exc:
            return FinishedResponse("410 Gone", str(exc), MAX_AGE_ONE_MINUTE)
        poll_seconds = POLL_SECONDS.get(stream.state, 0)
        content = {"state": stream.state.value, "ask": poll_seconds, "entries": seqs}
        body = json.dumps(content, separators=(",", ":")).encode()
        return Rendered(
            render=lambda: body,
            fingerprint=body,
            content_type="application/json",
            cache_control=f"public, max-age={poll_seconds or _ENDED_MAX_AGE_SECONDS}",
            changed=stream.changed_at,
            seq=stream.seq,
            stream=slug,
        )
