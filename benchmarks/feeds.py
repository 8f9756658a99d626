"""Feeds: how fast a finished one is served, what a change costs, and what it takes to write one; in
one table of ratios.
"""

import platform
from random import choices

from benchmarks import feed_rendering, publishing, serving
from benchmarks.publishing import WORDS
from benchmarks.site import temporary_site
from benchmarks.table import Row, ratios

ENTRIES = 42  # 40 kB of Atom


def run() -> None:
    """Print the table; four minutes."""
    with temporary_site() as site:
        for number in range(ENTRIES):
            site.post(f"Entry {number}", " ".join(choices(WORDS, k=12)))
        served = serving.rows(site)
    changed = publishing.rows()
    written = [
        Row(
            row.name, [row.ours_ms], [row.peer_ms], "ms CPU", "feedgen, Atom + RSS", most=row.target
        )
        for row in feed_rendering.rows()
    ]
    ratios(
        f"feeds, Python {platform.python_version()}, the server on one core, the client on another",
        [*served, *changed, *written],
    )


if __name__ == "__main__":
    run()
