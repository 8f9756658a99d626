"""A TCP server that does what no proper server does."""

import socket
import threading
from collections.abc import Callable


def receive(connection: socket.socket) -> bytes:
    """One request whose body is ``x``; empty when the client has left."""
    data = b""
    while not data.endswith(b"\r\n\r\nx"):
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    return data


class BareServer:
    """Accepts connections one at a time and hands each to ``talk``."""

    def __init__(self, talk: Callable[[socket.socket], None]) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                try:
                    self._talk(connection)
                except OSError:
                    continue  # the client went away, as it should in some tests

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
