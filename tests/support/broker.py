"""A RabbitMQ that tests may stop and start: a node of its own where the program is installed, else
one that already runs.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.requirements import skip_without
from tests.support.running_site import eventually, free_port

PROGRAM = shutil.which(
    "rabbitmq-server", path="/usr/lib/rabbitmq/bin" + os.pathsep + os.environ.get("PATH", "")
)
URL = urlsplit(os.environ.get("STORYWIRE_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672"))
STARTS_WITHIN = 60.0  # seconds


class Broker:
    """Where it listens, and as whom one logs in."""

    stoppable = False

    def __init__(self, host: str, port: int, login: str = "guest:guest") -> None:
        self.address, self.login = (host, port), login

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            socket.create_connection(self.address, 2).close()
        except OSError:
            return False
        return True


class OwnBroker(Broker):
    """A node in ``folder``, which knows of no other and reads no configuration."""

    stoppable = True

    def __init__(self, folder: Path, program: str) -> None:
        super().__init__("127.0.0.1", free_port())
        self._folder, self._program, self._process = folder, program, None
        (folder / "rabbitmq.conf").touch()

    _process: "subprocess.Popen[bytes] | None"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        port, folder = self.address[1], str(self._folder)
        settings = {
            "HOME": folder,
            "RABBITMQ_NODENAME": f"storywire{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
        }
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [self._program],
                env={**os.environ, **settings},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        eventually(self.answers, within=STARTS_WITHIN, what="RabbitMQ")

    def stop(self) -> None:
        """Stop it as a service manager does."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(STARTS_WITHIN)
            self._process = None


@contextmanager
def broker_server() -> Iterator[Broker]:
    """A running one; skips where there is none."""
    if PROGRAM is None:
        found = Broker(URL.hostname or "", URL.port or 5672, f"{URL.username}:{URL.password}")
        if not found.answers():
            skip_without("RabbitMQ")
        yield found
        return
    with tempfile.TemporaryDirectory(
        prefix="storywire-rabbitmq-", ignore_cleanup_errors=True
    ) as folder:
        own = OwnBroker(Path(folder), PROGRAM)
        own.start()
        try:
            yield own
        finally:
            own.stop()
