"""A PostgreSQL database of our own: on the server that STORYWIRE_TEST_POSTGRES_URL names, or on
this machine's.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

URL = os.environ.get("STORYWIRE_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")


def there() -> bool:
    """Whether a server answers."""
    try:
        psycopg.connect(URL, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def synchronous_commit() -> str:
    """What a commit waits for, as the server is set up."""
    with psycopg.connect(URL) as admin:
        [value] = admin.execute("SHOW synchronous_commit").fetchone() or ("",)
    return str(value)


@contextmanager
def database() -> Iterator[dict[str, str]]:
    """Settings for an empty database, which is dropped at the end."""
    name = f"storywire_bench_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(URL, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    try:
        base, _, query = URL.partition("?")
        yield {
            "database_url": f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else ""),
            "secret_key": uuid.uuid4().hex * 2,
        }
    finally:
        with psycopg.connect(URL, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
