"""Mails that one person alone gets and that must not wait behind an alert to thousands."""

from dataclasses import replace

from config.keys import Keys
from config.settings import Settings
from models.text.tokens import decrypt_token
from notifier.content.entry import Notice
from notifier.ledger.claim import Message
from notifier.ledger.pause import NO_MAIL_URL
from notifier.message.send_errors import SendError, Sent, Unavailable
from notifier.transport.mailer import Mailer
from notifier.transport.mime import MailBatch, MailJob


def send_notice(settings: Settings, message: Message, mail: MailBatch) -> Sent | SendError:
    """Send a mail over a connection of its own."""
    url = settings.mail_url.get_secret_value()
    if not url:
        return Unavailable(NO_MAIL_URL, ours=True)
    outcomes: list[Sent | SendError] = []
    mailer = Mailer(url, settings.mail_from)
    try:
        job = MailJob(message.uid, message.address, "")
        mailer.send(mail, [job], lambda _, outcome: outcomes.append(outcome), lambda _: True)
    finally:
        mailer.close()
    return outcomes[0]


def opened(notice: Notice, keys: Keys) -> Notice:
    """The notice with its link in clear, where that was sealed."""
    values = dict(notice.values)
    if "sealed" in values:
        values["link"] = decrypt_token(keys, values.pop("sealed"))
    return replace(notice, values=values)
