"""Mails that one recipient alone gets and that must not wait behind an alert to thousands: sent by
the urgent lane.
"""

from dataclasses import replace

from config.keys import Keys
from config.settings import Settings
from models.text.tokens import decrypt_token
from notifier.content.entry import Notice
from notifier.ledger.claim import Message
from notifier.ledger.lease import Lease
from notifier.ledger.pause import NO_MAIL_URL
from notifier.message.send_errors import SendError, Sent, Unavailable
from notifier.transport.mailer import Mailer
from notifier.transport.mime import MailBatch, MailJob


def send_notice(
    settings: Settings, message: Message, mail: MailBatch, lease: Lease
) -> Sent | SendError | None:
    """Send a mail over a connection of its own; None where the lease was lost meanwhile.

    Its beginning need not be committed first: one that is sent again after a crash bears the same
    Message-ID.
    """
    url = settings.mail_url.get_secret_value()
    if not url:
        return Unavailable(NO_MAIL_URL, ours=True)
    outcomes: list[Sent | SendError] = []
    mailer = Mailer(url, settings.mail_from)
    try:
        job = MailJob(message.uid, message.address, "")
        mailer.send(
            mail, [job], lambda _job, outcome: outcomes.append(outcome), lambda _job: lease.held()
        )
    finally:
        mailer.close()
    return outcomes[0] if outcomes else None


def opened(notice: Notice, keys: Keys) -> Notice:
    """The notice with its link in clear, where that was sealed."""
    values = dict(notice.values)
    if "sealed" in values:
        values["link"] = decrypt_token(keys, values.pop("sealed"))
    return replace(notice, values=values)
