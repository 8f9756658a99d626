"""One connection to the operator's mail server, and what its answers mean."""

import functools
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

from config.mail import MailServer
from notifier.message.send_errors import Refused, SendError, Sent, Stage, Unavailable, Unknown

MAX_MESSAGES = 100
"""Relays commonly end a session after some hundred messages; a new one costs a few round trips."""
MAX_IDLE_SECONDS = 30.0
"""Less than servers and the firewalls between wait before they drop a silent connection."""
TIMEOUT_SECONDS = 30.0
"""For one message, a new session included: half of a lease, which a sender renews when half of it
is over."""

_AGREED: dict[Stage, tuple[int, ...]] = {"mail": (250,), "rcpt": (250, 251), "data": (354,)}
_STATUS = re.compile(r"(?<![\w.])(5\.\d{1,3}\.\d{1,3})(?!\.?\w)")
_TEMPORARY_STATUS = re.compile(r"^\s*(4\.\d+\.\d+)\b")
_RECIPIENT_STATUSES = {"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"}
"""Statuses of RFC 3463 section 3.2 and RFC 7505 that are final for the recipient's address."""
_SENDER_STATUSES = {"5.1.7", "5.1.8"}
_VAGUE_STATUS = re.compile(r"5\.(0\.0|1\.0|5\.\d+)")
"""Their words say more than they do."""
_NO_MAILBOX = re.compile(
    r"(?ix) \b(?:no\ such | unknown | invalid |"
    r" non-?existent)\ (?:local\ )?(?:user|mailbox|recipient|account|address|alias|local\ part)\b"
    r"| \b(?:user|mailbox|recipient|account|addressee|address|alias)\ (?:is\ |was\ )?"
    r"(?:unknown | invalid | not\ found | not\ known | nicht\ bekannt | unbekannt | (?:does\ not |"
    r" doesn't)\ exist)\b"
    r"| \bno\ mailbox\ (?:here\ )?by\ that\ name\b |"
    r" \bnot\ a\ (?:known|valid)\ (?:user|mailbox|recipient)\b"
)
"""Clear words for a mailbox that does not exist; the standard text of 550, "mailbox unavailable",
is not clear (RFC 5321 section 4.2.3)."""
_NO_END = re.compile(
    r"(?i)\b(full|quota|storage|disabled|inactive|suspended|locked|deactivated)\b"
    r"|https?://postmaster\."
)
"""A mailbox that exists, and the page of a provider's postmaster that explains the true reason."""
_POLICY = re.compile(
    r"(?ix) \b(?: polic(?:y|ies) | spam\w* | unsolicited | bulk | abus\w+ | reputation |"
    r" relay(?!\ recipient\ table)\w* | sender"
    r"| envelope-from | spoof\w*"
    r"| spf | dkim | dmarc | \w*authenticat\w* | authoriz\w* | unauthorized |"
    r" (?:not|isn't)\ (?:allowed|permitted|accepted) | denied"
    r"| block(?:ed|ing|s)? | \w*(?:block|black|deny)[-\ ]?list\w* | banned | dnsbl | rbl |"
    r" listed\ (?:in|on|by|at)"
    r"| client\ host | (?:your|sending|the|originating)\ ip | ip\ address | ip= | reverse\ dns |"
    r" rdns | ptr | helo | ehlo | tls"
    r"| (?:bad|invalid)\ dns | resource\ record | rate | too\ many | virus | content |"
    r" verif\w+\ failed )"
)
"""Words of a refusal that is about this installation, whatever else it says; Postfix's table of
recipients is none."""
_ADDRESS = re.compile(r"[^\s<>@]{1,64}@[\w.-]*")
_LATER = re.compile(r"(?i)\b(try again|later|temporar\w+)\b")


class NoServer(Exception):
    """No session could be opened; ``outcome`` says why."""

    def __init__(self, outcome: Unavailable) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class MailConnection:
    """Opened at the first message, kept for the next, renewed when used up, idle or dropped. For
    one thread at a time.
    """

    def __init__(self, server: MailServer, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self._server = server
        self._timeout = timeout
        self._smtp: smtplib.SMTP | None = None
        self._messages = 0
        self._used_at = self._until = 0.0

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        # Loading the certificate authorities takes some 20 ms: once, and never for plain SMTP.
        return ssl.create_default_context()

    @functools.cached_property
    def _own_name(self) -> str:
        return socket.getfqdn()  # asks the resolver, so not once a connection

    def close(self) -> None:
        """End the session politely if it still lives."""
        if self._smtp is not None:
            with suppress(OSError):
                self._smtp.quit()
            self._drop()

    def deliver(self, sender: str, recipient: str, message: bytes) -> Sent | SendError:
        """Hand over one message of CRLF lines; says what the server made of it. Raises NoServer
        when none answers.

        All of it takes no longer than the time-out, so that the message's lease cannot run out
        meanwhile. A kept connection that turns out to be dead before anything was said of this
        message is replaced at once.
        """
        reused = self._smtp is not None
        self._until = time.monotonic() + self._timeout
        outcome = self._transact(self._session(), sender, recipient, message)
        if (
            reused
            and self._smtp is None
            and isinstance(outcome, Unavailable)
            and outcome.stage == "mail"
        ):
            outcome = self._transact(self._session(), sender, recipient, message)
        if isinstance(outcome, Unavailable) and outcome.stage == "mail" and not outcome.ours:
            outcome.no_session = self._messages == 1
        return outcome

    def check_sender(self, sender: str) -> Sent | SendError:
        """Open a session as for a message and ask whether ``sender`` may send; names no recipient.

        Raises NoServer when no session opens.
        """
        self._until = time.monotonic() + self._timeout
        smtp = self._session()
        try:
            code, reply = smtp.mail(sender)
            smtp.rset()
        except OSError as exc:
            self._drop()
            return Unavailable(f"the mail server broke off: {_why(exc)}", stage="mail")
        text = reply.decode("utf-8", "replace")
        return Sent(_words(code, text)) if code == 250 else judge("mail", code, text)

    @property
    def lost(self) -> bool:
        """True if the last message cost the connection."""
        return self._smtp is None

    def _session(self) -> smtplib.SMTP:
        if self._messages >= MAX_MESSAGES or time.monotonic() - self._used_at > MAX_IDLE_SECONDS:
            self.close()
        if self._smtp is None:
            self._smtp = self._open()
            self._messages = 0
        self._messages += 1
        return self._smtp

    def _open(self) -> smtplib.SMTP:
        server = self._server
        name = self._own_name
        smtp: smtplib.SMTP | None = None
        try:
            if server.security == "tls":
                smtp = smtplib.SMTP_SSL(
                    server.host, server.port, name, timeout=self._left(), context=self._tls
                )
            else:
                smtp = smtplib.SMTP(server.host, server.port, name, timeout=self._left())
            smtp.ehlo_or_helo_if_needed()
            if server.security == "starttls":
                smtp.starttls(context=self._tls)
                smtp.ehlo_or_helo_if_needed()
            if server.user:
                smtp.login(server.user, server.password)
        except smtplib.SMTPResponseException as exc:
            _shut(smtp)
            # The server turns us away before any recipient is named, so none of them is to blame.
            raise NoServer(
                Unavailable(
                    _words(exc.smtp_code, exc.smtp_error),
                    stage="connect",
                    code=exc.smtp_code,
                    ours=exc.smtp_code >= 500,
                    no_session=exc.smtp_code < 500,
                )
            ) from exc
        except OSError as exc:
            _shut(smtp)
            ours = isinstance(exc, smtplib.SMTPNotSupportedError)  # it offers no STARTTLS or log-in
            raise NoServer(
                Unavailable(
                    f"the mail server cannot be reached: {_why(exc)}",
                    stage="connect",
                    ours=ours,
                    no_session=not ours,
                )
            ) from exc
        return smtp

    def _transact(
        self, smtp: smtplib.SMTP, sender: str, recipient: str, message: bytes
    ) -> Sent | SendError:
        options = f" size={len(message)}" if smtp.has_extn("size") else ""
        if not recipient.isascii():
            if not smtp.has_extn("smtputf8"):
                return Refused("the mail server takes only addresses in ASCII", stage="rcpt")
            options += " SMTPUTF8 BODY=8BITMIME"
        talk = _Talk(smtp, self._left)
        try:
            if talk.agree(f"MAIL FROM:<{sender}>{options}\r\n", f"RCPT TO:<{recipient}>\r\n"):
                talk.hand_over(message)
        except Exception as exc:
            self._drop()
            if talk.sent:
                return Unknown(
                    f"the mail server took the message and broke off: {_why(exc)}", stage="data"
                )
            if not isinstance(exc, OSError):
                raise
            return Unavailable(f"the mail server broke off: {_why(exc)}", stage=talk.stage)
        finally:
            self._used_at = time.monotonic()
        if talk.sent and 200 <= talk.code < 300:
            return Sent(_words(talk.code, talk.words))
        # no reply of RFC 5321: nobody knows what comes next
        if talk.sent and not 400 <= talk.code < 600:
            self._drop()
            return Unknown(
                f"the mail server took the message and said: {_words(talk.code, talk.words)}",
                stage="data",
            )
        self._recover(smtp, talk.code)
        return judge(talk.stage, talk.code, talk.words.decode("utf-8", "replace"))

    def _left(self) -> float:
        """Seconds that remain for this message."""
        return max(0.001, self._until - time.monotonic())

    def _recover(self, smtp: smtplib.SMTP, code: int) -> None:
        """After a refusal: a clean session, or none."""
        if code == 421:  # the server says that it closes the connection (RFC 5321 section 3.8)
            self._drop()
            return
        try:
            smtp.rset()
        except OSError:
            self._drop()

    def _drop(self) -> None:
        _shut(self._smtp)
        self._smtp = None


class _Talk:
    """One message's commands and the server's replies."""

    def __init__(self, smtp: smtplib.SMTP, seconds_left: Callable[[], float]) -> None:
        self._smtp = smtp
        self._seconds_left = seconds_left
        self.stage: Stage = "mail"
        self.code = 0
        self.words = b""
        self.sent = False

    def agree(self, mail: str, rcpt: str) -> bool:
        """Name sender and recipient; True where the server waits for the message, else ``stage``
        is the first that it refused.

        All in one packet where the server can (RFC 2920), which saves two of four journeys.
        """
        commands: list[tuple[Stage, bytes]] = [
            ("mail", mail.encode()),
            ("rcpt", rcpt.encode()),
            ("data", b"DATA\r\n"),
        ]
        at_once = self._smtp.has_extn("pipelining")
        if at_once:
            self._send(b"".join(command for _, command in commands))
        for position, (self.stage, command) in enumerate(commands):
            if not at_once:
                self._send(command)
            self.code, self.words = self._smtp.getreply()
            if self.code not in _AGREED[self.stage]:
                # 421: it has hung up
                self._end(len(commands) - position - 1 if at_once and self.code != 421 else 0)
                return False
        return True

    def hand_over(self, message: bytes) -> None:
        """Send the message, with a dot before each line that begins with one (RFC 5321 4.5.2)."""
        self._send(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        self.sent = True
        self.code, self.words = self._smtp.getreply()

    def _send(self, data: bytes) -> None:
        if self._smtp.sock is not None:
            self._smtp.sock.settimeout(self._seconds_left())
        self._smtp.send(data)

    def _end(self, answers: int) -> None:
        """Hear the server out; it may wait for a message although it takes no recipient (RFC 2920
        section 3.1).
        """
        codes = [self._smtp.getreply()[0] for _ in range(answers)]
        if codes and codes[-1] == 354:
            self._send(b".\r\n")
            self._smtp.getreply()


def judge(stage: Stage, code: int, words: str) -> SendError:
    """Judge a reply other than success: its meaning for the message and the address; ``words`` may
    have several lines.

    4yz waits. 5.7.x (policy), 5.3.x (system), 5.1.7 and 5.1.8 (our sender address) are this
    installation's to mend, on whichever line they stand: the last one may hold the reason. So are
    words of policy where no status says otherwise. An address ends only at RCPT: by a status that
    speaks of it (RFC 3463 section 3.2), or, where there is no status, by 550 and 553 with clear
    words that there is no such mailbox. Any other 5yz fails the message.
    """
    pattern = _STATUS if code >= 500 else _TEMPORARY_STATUS
    statuses: list[str] = pattern.findall(words)
    enhanced = statuses[0] if statuses else None
    reason = _words(code, words)
    vague = enhanced is None or bool(_VAGUE_STATUS.fullmatch(enhanced))
    ours = any(map(_is_of_installation, statuses))
    if vague or enhanced in _RECIPIENT_STATUSES:
        # a reader's own address may hold any word
        ours = ours or bool(_POLICY.search(_ADDRESS.sub("", words)))
    if not 500 <= code < 600 or ours or (vague and _LATER.search(words)):
        return Unavailable(reason, stage=stage, code=code, enhanced=enhanced, ours=ours)
    ends_address = False
    if stage == "rcpt":
        ends_address = enhanced in _RECIPIENT_STATUSES
        if enhanced is None and code in {550, 553}:
            ends_address = bool(_NO_MAILBOX.search(words)) and not _NO_END.search(words)
    return Refused(reason, stage=stage, code=code, enhanced=enhanced, ends_address=ends_address)


def _is_of_installation(status: str) -> bool:
    return status.startswith(("5.7.", "5.3.")) or status in _SENDER_STATUSES


def _shut(smtp: smtplib.SMTP | None) -> None:
    if smtp is not None:
        smtp.close()


def _words(code: int, reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    line = " ".join(f"{code} {text}".split())
    return "".join(c for c in line if c.isprintable())[:300]


def _why(exc: Exception) -> str:
    return str(exc) or type(exc).__name__
