"""Checks of the machine and its proxy: folders, disk, port, and settings that contradict."""

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
FULL_BYTES = 100 * _MB
NEARLY_FULL_BYTES = 500 * _MB
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def check_settings(checkup: Checkup) -> Iterator[CheckResult]:
    """Check that the settings of a public site fit together."""
    settings = checkup.settings
    host = urlsplit(settings.base_url).hostname
    if settings.only_here:
        return
    if not settings.proxies:
        yield warning(
            f"Readers reach the site at {settings.base_url}, but STORYWIRE_PROXIES is 0: if there is"
            " a proxy, rate limits see all readers as one address; if there is none, nothing"
            " buffers slow requests.",
            "Run the site behind a reverse proxy, e.g. nginx, and set STORYWIRE_PROXIES=1.",
        )
    if settings.mail_from.rstrip(">").endswith("@localhost"):
        yield warning(
            "STORYWIRE_MAIL_FROM is an address at localhost, which other mail servers reject.",
            f"Set it, e.g. to News <news@{host}>.",
        )


def check_data_dir(checkup: Checkup) -> Iterator[CheckResult]:
    """Check that DATA_DIR can be written."""
    folder = checkup.settings.data_dir
    if not folder.is_dir():
        if checkup.settings.embedded and checkup.settings.lacks_database and not folder.exists():
            return  # the database check says what to do
        yield fault(
            f"STORYWIRE_DATA_DIR: {folder.absolute()} is not a folder.",
            "Create it, owned by the user that runs Storywire.",
        )
        return
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        yield fault(
            f"STORYWIRE_DATA_DIR: {folder.absolute()} cannot be written: {exc.strerror}.",
            "Make it writable for the user that runs Storywire, or choose another folder.",
        )


def check_disk(checkup: Checkup) -> Iterator[CheckResult]:
    """Check that the disk of DATA_DIR has free space."""
    folder = checkup.settings.data_dir
    if folder.is_dir():
        yield from judge_disk(shutil.disk_usage(folder).free, folder)


def judge_disk(free_bytes: int, folder: Path) -> Iterator[CheckResult]:
    """Judge the free space of the disk that holds ``folder``."""
    if free_bytes >= NEARLY_FULL_BYTES:
        return
    status = fault if free_bytes < FULL_BYTES else warning
    yield status(
        f"The disk of {folder.absolute()} has {free_bytes // _MB} MB left.",
        "Free some space: a full disk stops publishing and sending.",
    )


def check_web(checkup: Checkup) -> Iterator[CheckResult]:
    """Check that the listening address is free, or that Storywire answers there."""
    settings = checkup.settings
    try:
        listen(settings.host, settings.port).close()
    except CannotStart as exc:
        taken = isinstance(exc.__cause__, OSError) and exc.__cause__.errno == errno.EADDRINUSE
        if not (taken and _is_storywire(settings.host, settings.port)):
            problem, _, advice = str(exc).partition("; ")
            yield fault(f"{problem}.", advice[:1].upper() + advice[1:])


def check_proxies(checkup: Checkup) -> Iterator[CheckResult]:
    """Check that the proxies remove X_Forwarded_For, which lets clients forge their address."""
    settings = checkup.settings
    # The web server answers 400 to a value that is not an address, which shows that the header
    # was passed on.
    if (
        settings.proxies
        and _status(settings.base_url, {}) == 200
        and _status(settings.base_url, {"X_Forwarded_For": "unknown"}) == 400
    ):
        yield warning(
            "The proxy passes on the header X_Forwarded_For, so clients can forge the address used"
            " for rate limits and proof of consent.",
            "Configure it to remove headers with an underscore in their name (docs/operating.md has"
            " a line for each proxy).",
        )


def _status(base_url: str, headers: dict[str, str]) -> int | None:
    """Get the status of `/healthz` through the proxies; None if it cannot be reached."""
    url = urlsplit(base_url)
    is_tls = url.scheme == "https"
    connect = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
    response = _health(connect(url.hostname or "", url.port, timeout=5), headers)
    return response and response[0]


def _is_storywire(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(_ANY_ADDRESS.get(host, host), port, timeout=5)
    return _health(connection, {}) == (200, b"ok\n")


def _health(
    connection: http.client.HTTPConnection, headers: dict[str, str]
) -> tuple[int, bytes] | None:
    """Request `/healthz`; returns the status and the start of the body, or None without a response."""
    try:
        connection.request("GET", "/healthz", headers=headers)
        response = connection.getresponse()
        return response.status, response.read(10)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
