"""Checks of mail: the server, as the worker would use it, and your own templates."""

import smtplib
from collections.abc import Iterator

from cli.checks.checkup import CheckResult, Checkup, fault
from config.mail import parse_mail_url
from notifier.samples import template_faults


def check_mail(checkup: Checkup) -> Iterator[CheckResult]:
    """The mail server takes a session."""
    url = checkup.settings.mail_url.get_secret_value()
    if not url:
        yield fault("STORYWIRE_MAIL_URL is not set, so mail waits.", "Set it to your mail server.")
        return
    try:
        server = parse_mail_url(url)
        kind = smtplib.SMTP_SSL if server.security == "tls" else smtplib.SMTP
        with kind(server.host, server.port, timeout=10) as link:
            link.ehlo_or_helo_if_needed()
    except (OSError, ValueError, smtplib.SMTPException) as exc:
        yield fault(f"The mail server does not answer: {exc}.", "Check STORYWIRE_MAIL_URL.")


def check_templates(checkup: Checkup) -> Iterator[CheckResult]:
    """Templates of your own can be rendered."""
    for problem in template_faults(checkup.settings):
        yield fault(problem, "Correct the file, or delete it to use the built-in one.")
