"""Checks of the machine: folders, disk, port, and settings that do not fit each other."""

import errno
import http.client
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cli.checks.checkup import CheckResult, Checkup, fault, warning
from cli.command_errors import CannotStart
from cli.process.listener import listen

_MB = 1_000_000
FULL_BYTES, NEARLY_FULL_BYTES = 100 * _MB, 500 * _MB
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def check_settings(checkup: Checkup) -> Iterator[CheckResult]:
    """Settings fit each other."""
    settings = checkup.settings
    host = urlsplit(settings.base_url).hostname
    if settings.only_here:
        return
    if not settings.proxies:
        yield warning(
            f"Readers reach the site at {settings.base_url}, but STORYWIRE_PROXIES is 0: all of"
            " them count as one address, and no proxy buffers slow requests.",
            "Run it behind a reverse proxy such as nginx and set STORYWIRE_PROXIES=1.",
        )
    if settings.mail_from.rstrip(">").endswith("@localhost"):
        yield warning(
            "STORYWIRE_MAIL_FROM is an address at localhost, which other mail servers refuse.",
            f"Set it, like: News <news@{host}>.",
        )


def check_data_dir(checkup: Checkup) -> Iterator[CheckResult]:
    """The folder of keys, lock files and the SQLite database can be written."""
    folder = checkup.settings.data_dir
    if not folder.is_dir():
        if checkup.settings.embedded and checkup.settings.lacks_database and not folder.exists():
            return  # the check of the database says what to do
        yield fault(
            f"STORYWIRE_DATA_DIR: {folder.absolute()} is not a folder.",
            "Make it, owned by the user that runs Storywire.",
        )
        return
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        yield fault(
            f"STORYWIRE_DATA_DIR: {folder.absolute()} cannot be written: {exc.strerror}.",
            "Give it to the user that runs Storywire, or choose another folder.",
        )


def check_disk(checkup: Checkup) -> Iterator[CheckResult]:
    """The disk of the data folder has room."""
    folder = checkup.settings.data_dir
    if folder.is_dir():
        yield from judge_disk(shutil.disk_usage(folder).free, folder)


def judge_disk(free_bytes: int, folder: Path) -> Iterator[CheckResult]:
    """What so much free space means for a site whose data is in ``folder``."""
    if free_bytes >= NEARLY_FULL_BYTES:
        return
    status = fault if free_bytes < FULL_BYTES else warning
    yield status(
        f"The disk of {folder.absolute()} has {free_bytes // _MB} MB left.",
        "Free some space: a full disk stops posting and sending.",
    )


def check_web(checkup: Checkup) -> Iterator[CheckResult]:
    """The address to listen on is free, or our web server answers there."""
    settings = checkup.settings
    try:
        listen(settings.host, settings.port).close()
    except CannotStart as exc:
        taken = isinstance(exc.__cause__, OSError) and exc.__cause__.errno == errno.EADDRINUSE
        if not (taken and _is_storywire(settings.host, settings.port)):
            problem, _, advice = str(exc).partition("; ")
            yield fault(f"{problem}.", advice[:1].upper() + advice[1:])


def check_proxies(checkup: Checkup) -> Iterator[CheckResult]:
    """The proxies remove X_Forwarded_For, by which a client could choose the address that counts
    for it.
    """
    settings = checkup.settings
    # The web server refuses a value that is no address, so the second answer tells whether it came
    # through.
    if (
        settings.proxies
        and _status(settings.base_url, {}) == 200
        and _status(settings.base_url, {"X_Forwarded_For": "unknown"}) == 400
    ):
        yield warning(
            "The proxy in front passes the header X_Forwarded_For on, by which clients can choose"
            " the address that limits and proofs of consent name.",
            "Let it remove headers whose names have an underscore (docs/operating.md has a line for"
            " each proxy).",
        )


def _status(base_url: str, headers: dict[str, str]) -> int | None:
    """What `/healthz` answers by way of the proxies; None where this machine cannot reach it."""
    url = urlsplit(base_url)
    make = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = make(url.hostname or "", url.port, timeout=5)
    try:
        connection.request("GET", "/healthz", headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _is_storywire(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(_ANY_ADDRESS.get(host, host), port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        return answer.status == 200 and answer.read(10) == b"ok\n"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
