"""Checks of the mail server and of custom templates."""

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator

from cli.checks.checkup import CheckResult, Checkup, fault
from config.mail import MailServer, parse_mail_url, sender_of
from notifier.message.send_errors import SendError
from notifier.transport.smtp import MailConnection, NoServer

_TIMEOUT_SECONDS = 10.0
_URL = "STORYWIRE_MAIL_URL"


def check_mail(checkup: Checkup) -> Iterator[CheckResult]:
    """Check that the mail server accepts a session, with TLS and log-in, and the sender address.

    Names no recipient, so nothing can be sent.
    """
    url = checkup.settings.mail_url.get_secret_value()
    if not url:
        yield fault(f"{_URL} is not set, so e-mails stay queued.", "Set it to your mail server.")
        return
    server = parse_mail_url(url)
    sender = sender_of(checkup.settings.mail_from)[1]
    connection = MailConnection(server, timeout=_TIMEOUT_SECONDS)
    try:
        outcome = connection.check_sender(sender)
    except NoServer as exc:
        reason = exc.outcome.reason
        problem = reason[0].upper() + reason[1:]
        if exc.outcome.code is not None:
            problem = f"The mail server rejects the session: {reason}"
        yield fault(_sentence(problem), _how_to_connect(exc.__cause__, reason, server))
    else:
        if isinstance(outcome, SendError):
            problem = f"The mail server does not accept e-mail from {sender}: {outcome}"
            yield fault(_sentence(problem), _how_to_send(outcome, sender))
    finally:
        connection.close()


def check_templates(checkup: Checkup) -> Iterator[CheckResult]:
    """Check that custom templates can be rendered."""
    if not (checkup.settings.data_dir / "templates").is_dir():
        return
    from notifier.content.template_samples import (  # noqa: PLC0415  imports every chat service
        template_faults,
    )

    for problem in template_faults(checkup.settings):
        yield fault(problem, "Correct the file, or delete it to use the built-in one.")


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _how_to_connect(cause: BaseException | None, reason: str, server: MailServer) -> str:
    match cause:
        case smtplib.SMTPAuthenticationError() if not _wants_tls(reason):
            return (
                f"Check user and password in {_URL}. Write special characters as %40 and the like."
            )
        case ssl.SSLCertVerificationError():
            return (
                f"Use the host name of the certificate in {_URL}. If a private authority signed it,"
                " set SSL_CERT_FILE to that authority's certificate, for the service too."
            )
        case ssl.SSLError():
            return (
                f"Port {server.port} may not speak TLS like this. Try smtp+starttls:// (usually port"
                " 587) or smtps:// (465)."
            )
        case smtplib.SMTPNotSupportedError() if server.security == "starttls":
            return "Use smtps:// if the server always uses TLS, or smtp:// if it never does."
        case smtplib.SMTPNotSupportedError():
            return (
                f"It may allow log-ins only over TLS. Use smtp+starttls:// or smtps:// in {_URL}."
            )
        case smtplib.SMTPResponseException():
            return _how_to_log_in(reason)
        case socket.gaierror():
            return f"Check the host name in {_URL}."
    return f"Check that a mail server on {server.host} answers on port {server.port}."


def _how_to_send(outcome: SendError, sender: str) -> str:
    if _wants_tls(str(outcome)) or _wants_login(str(outcome)):
        return _how_to_log_in(str(outcome))
    return (
        f"Allow {sender} on the mail server, or set STORYWIRE_MAIL_FROM to an address it accepts."
    )


def _how_to_log_in(reply: str) -> str:
    if _wants_tls(reply):
        return f"Use smtp+starttls:// or smtps:// in {_URL}."
    if _wants_login(reply):
        return f"Put user and password into {_URL}, as smtp+starttls://user:password@host."
    return "Ask the operator of the mail server about this reply."


def _wants_tls(reply: str) -> bool:
    return re.search(r"(?i)starttls|\btls\b|encryption", reply) is not None


def _wants_login(reply: str) -> bool:
    return re.search(r"(?i)authenticat|log ?in", reply) is not None or reply.startswith("530")
