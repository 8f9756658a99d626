"""Lock file for the only worker of a SQLite database; the kernel releases it if its holder dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.command_errors import CannotStart

FILE = "worker.lock"
_POLL_SECONDS = 0.05


@contextmanager
def worker_lock(data_dir: Path, *, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock of ``data_dir``; CannotStart if another process has it for ``wait`` seconds.

    The file with the last holder's process id is never deleted: only the lock counts.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(data_dir / FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as exc:
        raise CannotStart(
            f"STORYWIRE_DATA_DIR: {data_dir} cannot be written: {exc.strerror}."
        ) from exc
    try:
        _take(file, data_dir, time.monotonic() + wait)
        os.truncate(file, 0)
        os.pwrite(file, b"%d\n" % os.getpid(), 0)
        yield
    finally:
        os.close(file)


def is_worker_running(data_dir: Path) -> bool:
    """Whether a process holds the lock of ``data_dir``."""
    try:
        file = os.open(data_dir / FILE, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _take(file: int, data_dir: Path, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            if time.monotonic() >= deadline:
                holder = os.pread(file, 20, 0).decode("ascii", "replace").strip() or "unknown"
                raise CannotStart(
                    f"Another worker (process {holder}) is already using {data_dir}. Stop it, or choose"
                    " another folder with STORYWIRE_DATA_DIR."
                ) from exc
            time.sleep(_POLL_SECONDS)
