"""A web process for the tests of requests that never end: the real server, layers and guard of
connections, with short times.
"""

import json
import os
import threading

from cli.process import web_server
from config.settings import load_settings
from web.middleware.connections import ConnectionGuard
from web.middleware.front import FrontLayer, always_sent
from web.middleware.overload import OverloadLayer
from web.middleware.proxies import ForwardedFor
from web.middleware.request_body import BodyInTime, Reads

BIG = 8_000_000
MAX_BYTES = 16_384
MAX_PER_ADDRESS = 430

released = threading.Event()


def answer(environ, start_response):
    """Say what came; from `/hold` on, `/held` waits until `/healthz` is asked for with the query
    `release`.
    """
    path = environ["PATH_INFO"]
    if path == "/hold":
        released.clear()
    if path == "/held":
        released.wait(60)
    if environ["QUERY_STRING"] == "release":
        released.set()
    body = b"x" * BIG
    if path != "/big":
        seen = {
            "sent": environ["wsgi.input"].read().decode(),
            "client": environ["REMOTE_ADDR"],
            "pid": os.getpid(),
        }
        body = json.dumps(seen).encode()
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]


reads = Reads()
app = FrontLayer(
    OverloadLayer(
        ForwardedFor(
            BodyInTime(
                answer,
                threads=2,
                max_bytes=lambda environ: MAX_BYTES,
                reads=reads,
                base_seconds=0.3,
            ),
            proxies=1,
        )
    ),
    always_sent("https://news.example"),
)


def main():
    ConnectionGuard(
        reads, max_per_address=MAX_PER_ADDRESS, check_seconds=0.05, read_seconds=0.5
    ).start()
    web_server.run(load_settings(), "tests.support.small_service:app")
    web_server.end_process()
