"""A mail as bytes: rendered once for a batch, completed for each row.

Only the address, the token and the Message-ID differ between the mails of one alert, so those are
put into bytes that are ready otherwise: rendering costs a millisecond, completing a few
microseconds.
"""

import re
import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from email_validator import EmailNotValidError, validate_email

from config.mail import ADDRESS, sender_of
from notifier.transport import mail_headers

TOKEN = "{token}"  # noqa: S105  a placeholder


def secret_mark() -> str:
    """Letters alone, so that no encoding changes one of them; drawn anew in each process, so that
    no editor can write them.
    """
    return "zq" + "".join(secrets.choice(string.ascii_letters) for _ in range(20)) + "qz"


MARK = secret_mark()
"""Stands for the token while a mail is rendered."""

_MARK_ENCODED = re.compile(b"(?:=\r\n)?".join(bytes([letter]) for letter in MARK.encode()))
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_TOKEN = 500
_TOKEN = re.compile(rf"[A-Za-z0-9_.~-]{{1,{_MAX_TOKEN}}}")
_UID = re.compile(r"[A-Za-z0-9_.-]{1,128}")
# RFC 2045 section 6.7 for quoted-printable; Python's own is 78
_POLICY = SMTP.clone(max_line_length=76)
_MAX_LINE = 960  # RFC 5322 section 2.1.1 allows 998; some room for the header's name


@dataclass(frozen=True, slots=True, kw_only=True)
class MailBatch:
    """Parts that all mails of a batch share; ``{token}`` in texts and links is each row's token.

    ValueError for a line break or control character in a header, and for text that is not Unicode.
    """

    subject: str
    html: str
    text: str
    from_: str = ""  # "Name <address>"; empty: as MAIL_FROM
    list_id: str = ""  # such as storm.news.example.org
    references: tuple[str, ...] = ()  # Message-IDs, the thread's root first
    unsubscribe_url: str = ""  # https, one click (RFC 8058); empty: mail that nobody subscribed to
    unsubscribe_mailto: str = ""  # an address, with or without ?subject=

    def __post_init__(self) -> None:
        names = (self.subject, self.from_)
        ids = (self.list_id, self.unsubscribe_url, self.unsubscribe_mailto, *self.references)
        if any(ord(c) < 32 or ord(c) == 127 for value in (*names, *ids) for c in value):
            raise ValueError("A mail header cannot hold a line break or control character.")
        longest = "t" * _MAX_TOKEN
        if any(
            not value.isascii() or len(value.replace(TOKEN, longest)) > _MAX_LINE for value in ids
        ):
            raise ValueError(
                "Links and ids in mail headers are ASCII and at most 960 characters long."
            )
        if any(_SURROGATE.search(value) for value in (*names, *ids, self.html, self.text)):
            raise ValueError("The mail's text is not Unicode.")


@dataclass(frozen=True, slots=True)
class MailJob:
    """One row: ``uid`` makes the Message-ID, ``token`` the unsubscribe link (unreserved URL
    characters).
    """

    uid: str
    address: str
    token: str
    # whoever holds the link may leave at once; not where several people read the mailbox
    one_click: bool = True


class BadJob(ValueError):
    """This row cannot become a mail; the sentence says why."""


@dataclass(frozen=True, slots=True)
class MailForm:
    """A rendered batch; ``fill`` makes a row's mail of it."""

    head: bytes
    row_head: str
    one_click: str
    body: tuple[bytes, ...]
    domain: str

    def fill(self, job: MailJob, address: str) -> bytes:
        """The mail for ``job``; ``address`` as ``wire_address`` returns it.  Raises BadJob."""
        if not _UID.fullmatch(job.uid):
            raise BadJob("the delivery's uid is no Message-ID")
        if job.token and not _TOKEN.fullmatch(job.token):
            raise BadJob("the token holds other characters than letters, digits and _.~-")
        row = (
            f"To: {address}\r\nMessage-ID:"
            f" <{job.uid}@{self.domain}>\r\n{self.row_head.replace(MARK, job.token)}"
        )
        row += self.one_click if job.one_click else ""
        return self.head + row.encode() + b"\r\n" + _wrapped(job.token).join(self.body)


def _wrapped(token: str) -> bytes:
    # Soft line breaks (RFC 2045 section 6.7) keep each line within 76 characters wherever the token
    # falls.
    pieces = [token[at : at + 70].encode() for at in range(0, len(token), 70)]
    return b"=\r\n" + b"".join(piece + b"=\r\n" for piece in pieces)


def wire_address(address: str) -> str:
    """``address`` as SMTP takes it: an international domain as punycode, the local part as it is.
    Raises BadJob.
    """
    if not address.isascii():
        try:
            valid = validate_email(address, check_deliverability=False, test_environment=True)
        except EmailNotValidError as exc:
            raise BadJob("this is not a mail address") from exc
        address = f"{valid.local_part}@{valid.ascii_domain}"
    if len(address) > 254 or not ADDRESS.fullmatch(address):
        raise BadJob("this is not a mail address")
    return address


def render(batch: MailBatch, mail_from: str, now: datetime | None = None) -> MailForm:
    """Render both parts, quoted-printable, and every header that the rows share."""
    name, sender = sender_of(batch.from_ or mail_from)
    domain = sender_of(mail_from)[1].rpartition("@")[2]
    mail = EmailMessage(policy=_POLICY)
    mail.set_content(batch.text.replace(TOKEN, MARK), cte="quoted-printable")
    mail.add_alternative(batch.html.replace(TOKEN, MARK), subtype="html", cte="quoted-printable")
    mime_head, _, body = mail.as_bytes().partition(b"\r\n\r\n")
    lines = [
        f"Date: {format_datetime(now or datetime.now(UTC))}",
        mail_headers.from_(name, sender),
        mail_headers.subject(batch.subject),
        "Auto-Submitted: auto-generated",  # RFC 3834: no holiday notices in return
        *_thread(batch.references),
    ]
    if batch.list_id:
        lines.append(f"List-Id: <{batch.list_id.strip('<>')}>")
    head = "".join(f"{line}\r\n" for line in lines).encode() + mime_head + b"\r\n"
    one_click = (
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" if batch.unsubscribe_url else ""
    )
    return MailForm(head, _unsubscribe(batch), one_click, tuple(_MARK_ENCODED.split(body)), domain)


def _thread(references: tuple[str, ...]) -> list[str]:
    if not references:
        return []
    ids = [f"<{reference.strip('<>')}>" for reference in references]
    return [f"In-Reply-To: {ids[-1]}", "References: " + "\r\n ".join(ids)]


def _unsubscribe(batch: MailBatch) -> str:
    mailto = (
        batch.unsubscribe_mailto and f"mailto:{batch.unsubscribe_mailto.removeprefix('mailto:')}"
    )
    ways = [f"<{way.replace(TOKEN, MARK)}>" for way in (batch.unsubscribe_url, mailto) if way]
    return "List-Unsubscribe: " + ",\r\n ".join(ways) + "\r\n" if ways else ""
