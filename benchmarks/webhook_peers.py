"""Ways to post webhooks without a ledger: ``python -m benchmarks.webhook_peers WAY URL NUMBER``
prints how many a second.

``stock``: Apprise as its manual has it, one after the other. ``adapter``: what Storywire's worker
calls for each, in as many threads.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from apprise import Apprise

from notifier.message.channel_message import ChannelMessage
from notifier.transport import channel_sender
from notifier.transport.apprise_setup import set_up_apprise
from notifier.worker.chat_lane import CHAT_THREADS

TITLE = "River rising"
TEXT = "About thirty metres of the earth dyke behind the mill have slid into the river. " * 10


def stock(url: str, number: int) -> None:
    """An Apprise for each target."""
    for _ in range(number):
        notifier = Apprise()
        notifier.add(url)
        if not notifier.notify(body=TEXT, title=TITLE):
            raise SystemExit("stock Apprise could not send")


def adapter(url: str, number: int) -> None:
    """Storywire's own adapter around Apprise."""
    set_up_apprise(frozenset({"localhost"}))
    message = ChannelMessage(
        event="publish",
        uid="d",
        guid="g",
        title=TITLE,
        body_text=TEXT,
        url="https://news.example.org/1",
    )
    with ThreadPoolExecutor(CHAT_THREADS) as pool:
        for _ in pool.map(
            lambda _: channel_sender.send(url, message, secret=b"s" * 32), range(number)
        ):
            pass


def main(way: str, url: str, number: int) -> None:
    """Warm up, then measure."""
    # which would count for the stock one alone
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        os.environ.pop(name, None)
    send = {"stock": stock, "adapter": adapter}[way]
    send(url, 16)
    began = time.perf_counter()
    send(url, number)
    print(number / (time.perf_counter() - began))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
