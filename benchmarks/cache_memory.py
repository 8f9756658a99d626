"""How much a process grows by a full response cache.

``python -m benchmarks.cache_memory DATA_DIR STREAMS`` prints bytes, documents and the cache's own
count of bytes.
"""

import json
import sys
from pathlib import Path

import psutil

from config.keys import Keys
from config.settings import load_settings
from feeds.cache.cached_response import CachedResponse
from feeds.document.feed_document import Format
from models.db.database import open_database
from web import create_app


def main(data_dir: str, streams: str) -> None:
    """Ask for each stream's feeds, as readers do, and look at this process."""
    settings = load_settings(data_dir=Path(data_dir))
    db = open_database(settings.resolved_database_url)
    cache = (
        create_app(settings, Keys("of a benchmark, which signs nothing"), db, ring=lambda: None)
        .extensions["storywire"]
        .response_cache
    )
    cache.get("/atom.xml")
    before = psutil.Process().memory_info().rss
    for number in range(int(streams)):
        for fmt in Format:
            response = cache.get(f"/streams/m{number}/{fmt.file_name}")
            assert isinstance(response, CachedResponse), response
            cache.encode(response, "gzip")
    print(json.dumps([psutil.Process().memory_info().rss - before, len(cache), cache.bytes]))


if __name__ == "__main__":
    main(*sys.argv[1:])
