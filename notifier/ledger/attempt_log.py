"""Log of attempts: at INFO those that ended without success, others at DEBUG; never with the
recipient or the remote's reply.
"""

import logging

from models import DeliveryState
from notifier.ledger.claim import Message
from notifier.ledger.retry import Next

log = logging.getLogger(__name__)

_BAD = (DeliveryState.FAILED, DeliveryState.UNKNOWN)


def log_attempt(message: Message, follows: Next) -> None:
    """Log one line, once the outcome is committed; `notifier.ledger.breaker` logs channels that
    fail or recover.
    """
    level = logging.INFO if follows.state in _BAD else logging.DEBUG
    if log.isEnabledFor(level):
        fields = {
            "delivery": message.uid,
            "alert": message.alert_id,
            "service": message.service,
            "state": follows.state.value,
            "attempts": message.attempts,
        }
        log.log(
            level,
            "delivery %(delivery)s of alert %(alert)s by %(service)s: %(state)s",
            fields,
            extra={"fields": fields},
        )
