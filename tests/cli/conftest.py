"""A site to run commands on; a whole small service in real processes, and a gate that holds one of
its requests in flight.
"""

import http.client
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result

from cli.main import main

PATIENCE = 20.0  # seconds that anything may take on a busy machine
ENDED = "(all processes have ended)"


class Service:
    """``tiny_service.py`` with its children, followed by the lines that they say."""

    def __init__(self, data_dir, gate, port=0, drain_seconds=30, health_seconds=10):
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).parents[1] / "support" / "tiny_service.py"),
                "serve",
                str(drain_seconds),
                str(health_seconds),
            ],
            env=os.environ
            | {
                "STORYWIRE_DATA_DIR": str(data_dir),
                "STORYWIRE_SECRET_KEY": "k" * 32,
                "TINY_GATE": str(gate),
                "TINY_PORT": str(port),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._lines = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put(ENDED)

    def hear(self):
        """The next line that any process says."""
        return self._lines.get(timeout=PATIENCE)

    def hear_until(self, wanted):
        """What is said up to ``wanted``, that included."""
        heard = [self.hear()]
        while heard[-1] != wanted:
            assert heard[-1] != ENDED, self.process.stderr.read()
            heard.append(self.hear())
        return heard

    def started(self):
        """Wait until all say that they run; their process ids and port by name."""
        found = {}
        while len(found) < 3:
            name, number = self.hear().split()
            found[name] = int(number)
        self.port = found["port"]
        return found

    def get(self, path="/", timeout=PATIENCE):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def wait_until_refused(self):
        """Until a new caller is refused; before that it is answered like any."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                self.get()
            except ConnectionError:
                return
        raise AssertionError("new callers are still let in")

    def send(self, number):
        self.process.send_signal(number)

    def result(self):
        """The exit code and what went to standard error."""
        return self.process.wait(PATIENCE), self.process.stderr.read()

    def close(self):
        """Kill what is left and wait for it; a child that a test has stopped would not end with the
        supervisor.
        """
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                child.kill()
        self.send(signal.SIGKILL)
        self.process.wait()
        self._reader.join(PATIENCE)  # its children have ended too
        self.process.stdout.close()
        self.process.stderr.close()


class Gate:
    """Holds each ``/held`` request of a tiny application until it is let go."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self.port = self._listener.getsockname()[1]
        self._held = []

    def wait_for_one(self):
        self._held.append(self._listener.accept()[0])

    def let_go(self):
        while self._held:
            self._held.pop().close()

    def close(self):
        self.let_go()
        self._listener.close()


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.close()


@pytest.fixture
def start_service(tmp_path, gate):
    services = []

    def start(**options):
        services.append(Service(tmp_path, gate.port, **options))
        return services[-1]

    yield start
    gate.let_go()
    for service in services:
        service.close()


class Call(threading.Thread):
    """A request in the background; ``answer()`` is what came of it."""

    def __init__(self, service, path):
        super().__init__(daemon=True)
        self._service, self._path, self._result = service, path, queue.SimpleQueue()
        self.start()

    def run(self):
        try:
            self._result.put(self._service.get(self._path))
        except (OSError, http.client.HTTPException) as exc:
            self._result.put(exc)

    def answer(self):
        return self._result.get(timeout=PATIENCE)


@pytest.fixture
def held_call(gate):
    def hold(service):
        call = Call(service, "/held")
        gate.wait_for_one()
        return call

    return hold


@pytest.fixture(scope="session")
def fresh_data_dir(tmp_path_factory):
    """What `storywire init` leaves."""
    folder = tmp_path_factory.mktemp("fresh")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert CliRunner().invoke(main, ["init"]).exit_code == 0
    return folder / "var"


@pytest.fixture
def site(tmp_path, monkeypatch, fresh_data_dir):
    """A function that runs a command on a fresh site."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STORYWIRE_ALLOW_PRIVATE_HOSTS", "127.0.0.1:9")
    shutil.copytree(fresh_data_dir, "var")

    def run(*args: str, input: str | bytes | None = None, code: int = 0) -> Result:
        result = CliRunner().invoke(main, args, input=input)
        assert result.exit_code == code, (result.output, result.stderr, result.exception)
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def story(site):
    site(
        "stream",
        "add",
        "floods",
        "--title",
        "The floods",
        "--timezone",
        "Europe/Kyiv",
        "--contributor",
        "Ann Vale",
    )
    return site
