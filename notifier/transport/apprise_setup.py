"""Set-up of Apprise, once in each process that sends.

Apprise's registry of 180 services is never asked: a channel's URL is parsed by the plugins in
``notifier.services`` alone, so that list is the allow-list and nothing else is even loaded.
"""

import logging

from apprise import Apprise, AppriseAsset
from apprise.common import ContentLocation
from apprise.plugins.base import NotifyBase

from notifier.transport import outbound_http

ASSET = AppriseAsset(
    async_mode=False,
    service_timeout=0,
    app_id="Storywire",
    http_redirects=False,
    interpret_emojis=False,
)
"""No thread pool and no time-out of Apprise's own: in a shared pool, hanging targets would starve
the others."""


def _keeps_secrets(record: logging.LogRecord) -> bool:
    # Even at WARNING Apprise quotes tokens, topics and addresses.  The ledger has the outcome, so
    # nothing is lost.
    return record.levelno > logging.ERROR


def set_up_apprise(allow_hosts: frozenset[str]) -> None:
    """Quieten Apprise's log and replace the request function of ``requests``; ``allow_hosts`` as in
    ALLOW_PRIVATE_HOSTS. Idempotent.
    """
    keep_secrets()
    outbound_http.install(allow_hosts)


def keep_secrets() -> None:
    """Let nothing of Apprise's log through that could quote a target's URL; also for processes that
    only check URLs.
    """
    logger = logging.getLogger("apprise")
    # setting it anew for each message would clear the caches of all loggers
    if logger.level != logging.WARNING:
        logger.setLevel(logging.WARNING)
    if _keeps_secrets not in logger.filters:
        logger.addFilter(_keeps_secrets)


def with_apprise(plugin: NotifyBase) -> Apprise:
    """One Apprise for one plugin; without attachments, which could read local files."""
    apprise = Apprise(asset=ASSET, location=ContentLocation.INACCESSIBLE)
    apprise.add(plugin)
    return apprise
