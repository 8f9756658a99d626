"""`python -m benchmarks [feeds] [alerts] [audience]`: each at most five minutes; `alerts-full` and
`audience-full` take longer.
"""

import os
import platform
import sys

from benchmarks import alerts, audience, feeds
from benchmarks.process import forget_settings

BENCHMARKS = {
    "feeds": feeds.run,
    "alerts": alerts.run,
    "audience": audience.run,
    "alerts-full": alerts.run_full,
    "audience-full": audience.run_full,
}
USUAL = ("feeds", "alerts", "audience")


def main(wanted: list[str]) -> int:
    """Run what is named, or all."""
    if unknown := set(wanted) - set(BENCHMARKS):
        print(
            f"There is no benchmark {', '.join(sorted(unknown))}; choose from"
            f" {', '.join(BENCHMARKS)}.",
            file=sys.stderr,
        )
        return 2
    forget_settings()
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        " before the start"
    )
    for name in wanted or USUAL:
        BENCHMARKS[name]()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
