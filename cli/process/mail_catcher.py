"""The demo's mail server on loopback, which stores every message in the test inbox."""

import asyncio
import socket
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from cli.process.listener import inherited, listen
from cli.process.parent_watch import on_stop
from web.dev_mailbox import store

MAX_MESSAGE_BYTES = 10 * 1024 * 1024


class _Catcher:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Answer 250 only after the message is on disk, because the sender then forgets it."""
        assert isinstance(envelope.content, bytes)
        try:
            name = await asyncio.to_thread(
                store, self._folder, envelope.mail_from or "", envelope.rcpt_tos, envelope.content
            )
        except OSError as exc:
            return f"451 4.3.0 The message could not be stored: {exc.strerror}"
        return f"250 2.0.0 Caught as {name}"


def run_catcher(folder: Path, host: str, port: int) -> None:
    """Store e-mail in ``folder`` until SIGTERM or SIGINT.  Raises CannotStart.

    Uses the supervisor's socket if there is one.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # the desk links to it if it exists
    asyncio.run(_serve(folder, inherited() or listen(host, port)))


async def _serve(folder: Path, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    on_stop(lambda: loop.call_soon_threadsafe(stop.set))
    catcher = _Catcher(folder)
    server = await loop.create_server(
        lambda: SMTP(
            catcher,
            data_size_limit=MAX_MESSAGE_BYTES,
            enable_SMTPUTF8=True,
            hostname="localhost",
            ident="Storywire mail catcher",
        ),
        sock=listener,
    )
    await stop.wait()
    server.close()


if __name__ == "__main__":
    run_catcher(Path(sys.argv[1]), "127.0.0.1", 0)
