"""The test inbox: mail that the demo's mail server stores, one file a message, for the desk."""

import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

from models.text.errors import NotFound

_STAMP = "%Y%m%dT%H%M%S%f"
_ID = re.compile(r"[0-9]{8}T[0-9]{12}-[0-9a-f]{8}")
_MAX_HEADER_BYTES = 65_536  # of a file, which the list reads
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_FROM = "X-Envelope-From"
_TO = "X-Envelope-To"


@dataclass(frozen=True)
class CaughtMail:
    """A mail in the list: its envelope and subject."""

    id: str
    caught_at: datetime
    envelope_from: str
    envelope_to: tuple[str, ...]
    subject: str


@dataclass(frozen=True)
class CaughtMessage(CaughtMail):
    """A whole mail.  ``headers`` are decoded, in their order, without those of the envelope."""

    sender: str
    to: str
    date: str
    text: str | None
    html: str | None
    headers: tuple[tuple[str, str], ...]


def store(
    folder: Path,
    sender: str,
    recipients: Sequence[str],
    content: bytes,
    *,
    now: datetime | None = None,
) -> str:
    """Write a message with its envelope to disk, safe from a power loss, and return its id.

    Raises OSError.
    """
    name = f"{now or datetime.now(UTC):{_STAMP}}-{secrets.token_hex(4)}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    envelope = f"{_FROM}: {sender}\r\n{_TO}: {', '.join(recipients)}\r\n".encode(
        "utf-8", "surrogateescape"
    )
    draft = folder / f"{name}.tmp"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(envelope + content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(folder / f"{name}.eml")
    _sync_folder(folder)
    return name


def caught(folder: Path, *, limit: int = 50, offset: int = 0) -> list[CaughtMail]:
    """At most ``limit`` mails after the ``offset`` newest, newest first."""
    ids = [path.stem for path in folder.glob("*.eml") if _ID.fullmatch(path.stem)]
    ids.sort(reverse=True)
    mails = []
    for mail_id in ids[offset : offset + limit]:
        message = _open(folder, mail_id, _MAX_HEADER_BYTES)
        mails.append(CaughtMail(**_summary(mail_id, message)))
    return mails


def read_caught(folder: Path, mail_id: str) -> CaughtMessage:
    """The whole mail.  Raises NotFound, also for an id that is none of ours, such as a path."""
    message = _open(folder, mail_id)
    return CaughtMessage(
        **_summary(mail_id, message),
        sender=_header(message, "From"),
        to=_header(message, "To"),
        date=_header(message, "Date"),
        text=_text(message, "text/plain"),
        html=_text(message, "text/html"),
        headers=tuple(
            (name, _decoded(value))
            for name, value in message.raw_items()
            if name not in {_FROM, _TO}
        ),
    )


def _open(folder: Path, mail_id: str, size: int = -1) -> Message:
    if not _ID.fullmatch(mail_id):
        raise NotFound("mail", mail_id)
    try:
        with (folder / f"{mail_id}.eml").open("rb") as file:
            raw = file.read(size)
    except FileNotFoundError as exc:
        raise NotFound("mail", mail_id) from exc
    parser = BytesParser()
    try:
        return parser.parsebytes(raw, headersonly=size > 0)
    except RecursionError:  # deeply nested parts
        return parser.parsebytes(raw, headersonly=True)


def _summary(mail_id: str, message: Message) -> dict[str, Any]:
    return {
        "id": mail_id,
        "caught_at": datetime.strptime(mail_id.partition("-")[0], _STAMP).replace(tzinfo=UTC),
        "envelope_from": _header(message, _FROM),
        "envelope_to": tuple(_header(message, _TO).split(", ")),
        "subject": _header(message, "Subject"),
    }


def _header(message: Message, name: str) -> str:
    for field, value in message.raw_items():
        if field.lower() == name.lower():
            return _decoded(value)
    return ""


def _decoded(raw: object) -> str:
    """A header unfolded, with encoded words (RFC 2047) and UTF-8 (RFC 6532) decoded.

    A broken one is returned as it is.
    """
    text = _FOLD.sub("", str(raw)).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        return _encodable(str(make_header(decode_header(text))))
    except (LookupError, ValueError, HeaderParseError):
        return text


def _encodable(text: str) -> str:
    """``text`` without lone surrogates, which some charsets allow and no page can contain."""
    return text.encode("utf-8", "replace").decode()


def _text(message: Message, kind: str) -> str | None:
    for part in message.walk():
        if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)  # only a multipart has none, and that is not text
            try:
                return _encodable(payload.decode(part.get_content_charset("utf-8"), "replace"))
            except (LookupError, ValueError):
                return payload.decode("utf-8", "replace")
    return None


def _sync_folder(folder: Path) -> None:
    """Write the folder to disk, too: fsync of a file does not include its name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
