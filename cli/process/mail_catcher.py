"""The demo's mail server: takes every message on loopback and keeps it in a folder, so that sending
goes the real way.
"""

import asyncio
import socket
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from cli.process.listener import inherited, listen
from cli.process.parent_watch import on_stop
from web.dev_mailbox import store

SIZE_LIMIT = 10 * 1024 * 1024  # bytes


class _Catcher:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Answer 250 only when the message is on the disk: the sender forgets it then."""
        assert isinstance(envelope.content, bytes)
        try:
            name = await asyncio.to_thread(
                store, self._folder, envelope.mail_from or "", envelope.rcpt_tos, envelope.content
            )
        except OSError as exc:
            return f"451 4.3.0 The message could not be stored: {exc.strerror}"
        return f"250 2.0.0 Caught as {name}"


def run_catcher(folder: Path, host: str, port: int) -> None:
    """Catch mail into ``folder`` until SIGTERM or SIGINT; the socket is the supervisor's, else one
    of its own. Raises CannotStart.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # where it is, the desk shows its page
    asyncio.run(_serve(folder, inherited() or listen(host, port)))


async def _serve(folder: Path, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    on_stop(lambda: loop.call_soon_threadsafe(stop.set))
    catcher = _Catcher(folder)
    server = await loop.create_server(
        lambda: SMTP(
            catcher,
            data_size_limit=SIZE_LIMIT,
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
