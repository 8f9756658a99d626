"""Mail servers for benchmarks, each in a process of its own on the second core."""

import os
import shutil
import smtplib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.process import PATIENCE, core, free_port, started, wait_for_port

POSTFIX = shutil.which("smtp-sink", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def fast() -> Iterator[int]:
    """The port of one that takes all at once: Postfix's smtp-sink where it is installed, since our
    own is slower than the sender.
    """
    port = free_port()
    if POSTFIX is None:
        with started("benchmarks.smtp_sink", str(port), port=port, cores=core(1)):
            yield port
        return
    as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([POSTFIX, *as_nobody, f"127.0.0.1:{port}", "1000"])
    try:
        if cores := core(1):
            os.sched_setaffinity(process.pid, cores)
        wait_for_port(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


@contextmanager
def limited(*, rate: int = 0, delay_ms: int = 0) -> Iterator[int]:
    """The port of one that takes so many a second, each after so long; it counts."""
    port = free_port()
    with started("benchmarks.smtp_sink", str(port), str(rate), str(delay_ms), port=port):
        yield port


def must_have(port: int, number: int) -> None:
    """End where `limited` has not taken ``number`` messages to as many addresses since it was last
    asked.
    """
    with smtplib.SMTP("127.0.0.1", port, "bench") as link:
        counts = link.docmd("VRFY", "all")[1].decode()
    if counts != f"{number} {number}":
        raise SystemExit(f"{number} mails were sent, the server has {counts}: this is a bug")
