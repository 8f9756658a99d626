"""The RabbitMQ that STORYWIRE_TEST_AMQP_URL names, or this machine's."""

import os
import socket
from urllib.parse import urlsplit

URL = os.environ.get("STORYWIRE_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672")


def settings() -> dict[str, str]:
    """What lets nodes ring each other; nothing where no server answers, so that they look about
    once a second.
    """
    place = urlsplit(URL)
    try:
        socket.create_connection((place.hostname or "", place.port or 5672), 2).close()
    except OSError:
        return {}
    return {"broker_url": URL}
