"""Alerting: how fast, beside what, and what it costs those who post and read meanwhile."""

from dataclasses import dataclass

from benchmarks import mailing, meanwhile, webhooks
from benchmarks.table import ratios


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    readers: int
    followers: int
    posts: int
    drained: int
    hooks: int


TENTH = Size(readers=10_000, followers=100_000, posts=100, drained=20_000, hooks=2_000)
FULL = Size(readers=100_000, followers=1_000_000, posts=1_000, drained=100_000, hooks=5_000)
FEW = 10


def run(size: Size = TENTH) -> None:
    """Print all of it; the tenth takes some four minutes on a machine with nothing else to do."""
    about = (
        f"{size.readers:,} readers, {mailing.CONNECTIONS} connections, in turn, median of"
        f" {mailing.ROUNDS}"
    )
    ratios(
        f"alerts: mails to a server that takes all at once ({about})", mailing.speed(size.readers)
    )
    node_rows = mailing.nodes(size.readers // 4)
    if node_rows:
        ratios(f"alerts: nodes on PostgreSQL ({size.readers // 4:,} readers)", node_rows)
    ratios(
        f"alerts: webhooks over TLS to one host ({size.hooks:,}, in turn, median of"
        f" {webhooks.ROUNDS})",
        webhooks.speed(size.hooks),
    )
    ratios(
        f"alerts: targets that never answer (SQLite, in turn, median of {webhooks.ROUNDS})",
        webhooks.silent(),
    )
    ratios("alerts: memory (SQLite)", mailing.memory(10_000, size.followers, 5))
    ratios(
        f"alerts: posting over HTTP (SQLite, median of {size.posts})",
        meanwhile.posting(FEW, size.followers, size.posts),
    )
    title = (
        f"alerts: while {size.drained:,} mails drain into a server that takes 2,000 a second"
        " (SQLite, `storywire serve`)"
    )
    ratios(title, meanwhile.draining(size.drained))


def run_full() -> None:
    """The size of a large site: some twenty minutes."""
    run(FULL)
