"""`storywire serve` and `storywire worker` as an operator starts them."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from cli.main import main
from cli.process.worker_lock import FILE, worker_lock
from models.db.database import open_database
from models.db.schema_version import pending_migrations

PATIENCE = 90.0  # seconds that a start or an end may take on a busy machine
pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def environment(tmp_path):
    return os.environ | {
        "STORYWIRE_DATA_DIR": str(tmp_path / "var"),
        "STORYWIRE_PORT": str(free_port()),
    }


@pytest.fixture
def storywire(environment, tmp_path):
    """Start a command; what is left of it at the end is killed, and its children end with it."""
    started = []

    def start(*arguments):
        command = [sys.executable, "-P", "-m", "cli.main", *arguments]
        started.append(
            subprocess.Popen(
                command,
                env=environment,
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def get(environment, path):
    """The answer as soon as the service gives one."""
    deadline = time.monotonic() + PATIENCE
    while True:
        connection = http.client.HTTPConnection(
            "127.0.0.1", int(environment["STORYWIRE_PORT"]), timeout=PATIENCE
        )
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except ConnectionError:
            assert time.monotonic() < deadline
        finally:
            connection.close()


def test_serve_sets_an_embedded_site_up_and_serves_it_and_drains(storywire, environment, tmp_path):
    for package in ("config", "web", "models"):  # a folder may hold such names; they are not ours
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('not ours')")
    service = storywire("serve")
    assert get(environment, "/readyz") == (200, b"ready\n")
    db = open_database(f"sqlite:///{tmp_path / 'var' / 'storywire.sqlite3'}")
    assert pending_migrations(db) == []
    db.engine.dispose()
    service.send_signal(signal.SIGTERM)
    said, _ = service.communicate(timeout=PATIENCE)
    assert service.returncode == 0
    assert said.startswith("Starting Storywire ")
    assert str(tmp_path / "var") in said


def test_a_second_serve_on_the_same_data_ends_with_one_sentence(storywire, environment, tmp_path):
    (tmp_path / "var").mkdir()
    with worker_lock(tmp_path / "var"):
        second = storywire("serve")
        _, said = second.communicate(timeout=PATIENCE)
    assert second.returncode == os.EX_CONFIG
    assert said.startswith(f"Error: Another worker (process {os.getpid()}) is already using ")
    assert said.count("\n") == 1


@pytest.mark.slow
def test_a_worker_drains_on_sigterm(storywire, tmp_path):
    assert storywire("init").wait(PATIENCE) == 0
    worker = storywire("worker", "--lane", "urgent")
    lock, deadline = tmp_path / "var" / FILE, time.monotonic() + PATIENCE
    while not lock.exists() or lock.read_text() != f"{worker.pid}\n":
        assert time.monotonic() < deadline
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0


def test_a_worker_without_a_site_explains_what_to_do(storywire):
    worker = storywire("worker")
    _, said = worker.communicate(timeout=PATIENCE)
    assert worker.returncode == os.EX_CONFIG
    assert said.startswith("Error: There is no site in ")
    assert "storywire init" in said


def test_a_port_in_use_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["serve", "--port", str(port)])
    assert (result.exit_code, result.output) == (
        os.EX_CONFIG,
        f"Error: Port {port} on 127.0.0.1 is in use; choose another with STORYWIRE_PORT.\n",
    )


def test_postgresql_that_waits_for_its_migrations_is_refused_naming_init(postgres_url, environment):
    settings = {"STORYWIRE_DATABASE_URL": postgres_url, "STORYWIRE_SECRET_KEY": "s" * 32}
    result = CliRunner(env=environment | settings).invoke(main, ["serve"])
    assert result.exit_code == os.EX_CONFIG
    assert "Run `storywire init`." in result.output
    assert result.output.count("\n") == 1


@pytest.mark.slow
def test_clients_that_never_finish_their_forms_do_not_block_others(storywire, environment):
    storywire("serve")
    assert get(environment, "/healthz")[0] == 200
    address = ("127.0.0.1", int(environment["STORYWIRE_PORT"]))
    # three times the threads that answer
    slow = [socket.create_connection(address) for _ in range(6)]
    for connection in slow:
        connection.sendall(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\ne")
    began = time.monotonic()
    assert get(environment, "/healthz")[0] == 200
    assert time.monotonic() - began < 10
    for connection in slow:
        connection.close()
