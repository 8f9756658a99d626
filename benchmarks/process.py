"""Processes that a benchmark starts, and the cores on which they run."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
PATIENCE = 30.0  # seconds


def forget_settings() -> None:
    """Let no setting of a real site, from the environment or a file in this folder, reach what a
    benchmark starts.
    """
    for name in [name for name in os.environ if name.startswith("STORYWIRE_")]:
        del os.environ[name]
    os.environ["STORYWIRE_CONFIG"] = os.devnull


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def core(number: int) -> set[int]:
    """A core of its own for one side of a measurement, where the machine has more than one; an
    empty set says all.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return {cores[number]} if len(cores) > number else set()


@contextmanager
def started(
    module: str,
    *arguments: str,
    port: int | None = None,
    cores: set[int] | None = None,
    environment: Mapping[str, str] | None = None,
    path: Sequence[Path] = (),
) -> Iterator[int]:
    """``python -m module`` while the block runs, from the moment when it listens on ``port``; its
    process id.

    ``path`` holds more to import.
    """
    variables = {
        **os.environ,
        **(environment or {}),
        "PYTHONPATH": os.pathsep.join(map(str, [CHECKOUT, *path])),
    }
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], env=variables)
    try:
        if cores:
            os.sched_setaffinity(process.pid, cores)
        if port is not None:
            wait_for_port(process, port)
        yield process.pid
    finally:
        process.terminate()
        process.wait(PATIENCE)


def output(
    module: str, *arguments: str, cores: set[int] | None = None, path: Sequence[Path] = ()
) -> str:
    """What ``python -m module`` prints; ``path`` holds more to import."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [CHECKOUT, *path]))}
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments], env=variables, stdout=subprocess.PIPE, text=True
    ) as process:
        if cores:
            os.sched_setaffinity(process.pid, cores)
        printed, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"{module} ended with {process.returncode}")
    return printed


def wait_for_port(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Until ``process`` listens there."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"nothing listens on port {port}")
