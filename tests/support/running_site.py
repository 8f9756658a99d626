"""A whole site in processes of its own, as people start it, and a mail server for it to send to."""

import contextlib
import email
import email.policy
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar
from unittest import mock

import psutil
import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from click.testing import CliRunner

from cli.main import main
from config.settings import load_settings
from models.db.database import Database, open_database
from notifier.reports.delivery_report import alert_sums

T = TypeVar("T")

COMMAND = str(Path(sys.executable).with_name("storywire"))
PATIENCE = 30.0
"""Seconds that anything may take on a busy machine; what must be faster is given its own limit."""


def eventually(ask: Callable[[], T], *, within: float = PATIENCE, what: str = "it") -> T:
    """The first true answer of ``ask``, asked again and again for ``within`` seconds."""
    deadline = time.monotonic() + within
    while True:
        if answer := ask():
            return answer
        assert time.monotonic() < deadline, f"{what} did not happen within {within:g} s"
        time.sleep(0.01)


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def gone(processes: Iterable[psutil.Process]) -> bool:
    """Whether all of these processes have ended; one that nobody has waited for has, too, once its
    last thread has.
    """
    return not any(_lives(process) for process in processes)


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and (
            process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1
        )
    return False


@dataclass(frozen=True)
class FinishedProcess:
    """What a process left."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """What was said on standard error, where it is one line."""
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("Error: ").rstrip()


class Site:
    """A site in a folder: its settings, its commands and, once started, its service."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        command: str = COMMAND,
        **settings: str,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.command = command
        given = {
            "data_dir": str(folder / "data"),
            "port": str(self.port),
            "config": str(folder / "storywire.toml"),
            **settings,
        }
        Path(given["config"]).touch()
        self.environment = {**(os.environ if environment is None else environment)}
        self.environment |= {f"STORYWIRE_{name.upper()}": value for name, value in given.items()}
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[str] | None = None
        self.log = folder / "service.log"

    def run(self, *arguments: str) -> FinishedProcess:
        """A command in a process of its own, whatever it comes to."""
        argv = [self.command, *arguments]
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return FinishedProcess(done.returncode, done.stdout, done.stderr)

    def do(self, *arguments: str) -> str:
        """A command in this process, which saves it the start; it must succeed. What it printed."""
        done = CliRunner(env=self.environment).invoke(main, arguments)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.stdout.strip()

    def start(self, *arguments: str) -> Self:
        """Start ``storywire ARGUMENTS``, `serve` if there are none, and wait until it is ready."""
        self.spawn(*(arguments or ("serve",)))
        eventually(self._ready, within=2 * PATIENCE, what="the service's start")
        return self

    def spawn(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command that stays; what it says goes to the site's log."""
        assert self.process is None or self.process.poll() is not None
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [self.command, *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        return self.process

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            return requests.get(f"{self.base_url}/readyz", timeout=5).status_code == 200
        return False

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET a path, redirects not followed."""
        return requests.get(
            self.base_url + path, timeout=PATIENCE, allow_redirects=False, **options
        )

    def children(self) -> dict[str, psutil.Process]:
        """The service's processes below its supervisor, by name: web, worker, mail_catcher."""
        assert self.process is not None
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):  # it ends at this moment
                if name := re.search(
                    r"cli\.(?:main (web|worker)|process\.(mail_catcher))", " ".join(child.cmdline())
                ):
                    found[name[1] or name[2]] = child
        return found

    def stop(self) -> int:
        """Ask the service to end, as a service manager does; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """Leave nothing running, whatever happened."""
        if self.process is not None and self.process.poll() is None:
            children = self.children().values()
            self.process.kill()
            self.process.wait()
            eventually(lambda: gone(children), what="the children's end")
        if "db" in vars(self):
            self.db.engine.dispose()

    @cached_property
    def db(self) -> Database:
        """The site's database, beside its processes; it must be there."""
        with mock.patch.dict(os.environ, self.environment, clear=True):
            return open_database(load_settings().resolved_database_url, synchronous="NORMAL")

    def alerts(self) -> list[dict[str, Any]]:
        """The rows of `alert list`, newest first, read without a process of its own."""
        with self.db.read() as tx:
            return alert_sums(tx, 50)


class Editor:
    """Posts by the desk's form; a post that is not answered is sent again, as it was.

    ``patient``: so is one that is answered by 503, which says that the database is busy.
    """

    def __init__(self, site: Site, stream: str = "floods", *, patient: bool = False) -> None:
        self._site, self._stream, self._patient = site, stream, patient
        self._session = requests.Session()
        site.do("account", "add", "editor@example.org")
        link = site.do("account", "login-link", "editor@example.org")
        assert self._session.post(link, allow_redirects=False, timeout=PATIENCE).status_code == 303
        page = self._session.get(
            f"{site.base_url}/desk/post?stream={self._stream}", timeout=PATIENCE
        ).text
        self._token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page)[1]
        self._lock = threading.Lock()
        self.answered = 0
        self.repeated = 0

    def post(self, title: str, alert: str = "nobody") -> str:
        """The address that the form led to.  ``alert``: "followers" or "nobody"."""
        form = {"csrf_token": self._token, "request_key": uuid.uuid4().hex, "version": "0",
                "stream": self._stream, "title": title,
                "importance": "normal", "alert": alert, "do": "post"}  # fmt: skip
        while True:
            try:
                answer = requests.post(
                    f"{self._site.base_url}/desk/post",
                    form,
                    cookies=self._session.cookies,
                    allow_redirects=False,
                    timeout=PATIENCE,
                )
            except (requests.ConnectionError, requests.Timeout):
                with self._lock:
                    self.repeated += 1
                continue
            if self._patient and answer.status_code == 503:
                time.sleep(0.2)
                continue
            assert answer.status_code == 303, answer.text
            with self._lock:
                self.answered += 1
            return answer.headers["Location"]


@dataclass(frozen=True)
class Received:
    """A mail as the mail server took it."""

    recipient: str
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        return email.message_from_bytes(self.content, policy=email.policy.default)  # type: ignore[return-value]


class _MailHandler:
    """The talking side of a mail server; apart from it, since aiosmtpd looks at each attribute of a
    handler at each connection.
    """

    def __init__(self, server: "MailServer") -> None:
        self._server = server

    async def handle_DATA(self, _smtp: SMTP, session: Session, envelope: Envelope) -> str:
        """Take it, and answer when answers are given."""
        assert isinstance(envelope.content, bytes)
        self._server.received.append(Received(envelope.rcpt_tos[0], envelope.content))
        return "250 2.0.0 taken"


class MailServer(Controller):
    """Takes every mail."""

    def __init__(self) -> None:
        super().__init__(
            _MailHandler(self), hostname="127.0.0.1", port=0, server_hostname="mail.example"
        )
        self.received: list[Received] = []

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # start() dials it, and 0 was asked for
        super()._trigger_server()

    @property
    def url(self) -> str:
        """As MAIL_URL says it."""
        return f"smtp://127.0.0.1:{self.port}"

    def to(self, recipient: str) -> list[Received]:
        """The mails that came for an address."""
        return [mail for mail in list(self.received) if mail.recipient == recipient]


@contextlib.contextmanager
def mail_server() -> Iterator[MailServer]:
    """A mail server that runs."""
    server = MailServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()
