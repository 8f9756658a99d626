"""What the supervisor takes for a frozen process."""

import socket
import threading

from cli.process.health_check import HealthCheck, HealthWatch
from tests.support.running_site import eventually


def test_a_question_that_is_broken_off_at_the_start_is_no_freeze():
    """A process killed while it starts is replaced at once and not reported as frozen."""
    asked, frozen = [], threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            while len(asked) < 4:
                connection, _ = server.accept()
                with connection:
                    asked.append(connection.recv(1000))
                    if len(asked) > 1:
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        watch = HealthWatch(HealthCheck(interval=0.01), server.getsockname()[:2], frozen.set)
        eventually(lambda: len(asked) == 4, what="a question after the one that was broken off")
        watch.end()
    assert not frozen.is_set()


def test_a_process_that_never_answers_is_frozen():
    frozen = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        HealthWatch(
            HealthCheck(interval=0.01, timeout=0.01, start_seconds=0.01),
            silent.getsockname()[:2],
            frozen.set,
        )
        assert frozen.wait(20)
