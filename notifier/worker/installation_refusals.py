"""Refusals of this installation: when they mean that no mail is taken, and not only that of some
recipients.
"""

from notifier.message.send_errors import Refused, SendError, Unavailable

RUN = 3
"""Refusals of the sender or the content in a row, on all connections, after which mail waits: the
next would be refused, too."""
RUN_AT_RCPT = 50
DOMAINS_AT_RCPT = 3
"""Policy refusals of recipients in a row, and their domains, after which mail waits: each may be
that reader's own policy."""


class RefusalRun:
    """Refusals since the mail server last took a mail, on all connections of a process."""

    def __init__(self) -> None:
        self._uids: set[str] = set()
        self._domains_at_rcpt: dict[str, str] = {}  # by the delivery's uid
        self._judged = 0

    def taken(self) -> None:
        """The server took a mail, so others may be taken as well."""
        self._uids.clear()
        self._domains_at_rcpt.clear()
        self._judged = 0

    def add(self, uid: str, address: str, outcome: SendError, *, again: bool) -> bool:
        """Whether ``outcome`` speaks of this installation; ``again``: that recipient was refused
        before, which proves nothing new.
        """
        if isinstance(outcome, Unavailable):
            ours = outcome.ours and outcome.stage != "connect"
        else:
            ours = isinstance(outcome, Refused) and outcome.stage in ("mail", "data")
        if ours and outcome.stage != "rcpt":
            self._uids.add(uid)
        elif ours and not again:
            self._domains_at_rcpt[uid] = address.rpartition("@")[2]
        return ours

    def stops_mail(self, outcome: SendError, *, probe: bool) -> bool:
        """Whether mail is to wait, after an ``outcome`` that speaks of this installation.

        ``probe``: mail waits already, and this one was to see whether it may go on.
        """
        if outcome.stage != "rcpt":
            return probe or len(self._uids) >= RUN
        at_rcpt = self._domains_at_rcpt
        if probe and len(at_rcpt) >= RUN:
            return True
        return len(at_rcpt) >= RUN_AT_RCPT and len(set(at_rcpt.values())) >= DOMAINS_AT_RCPT

    def nobody_taken(self) -> bool:
        """Whether, with nothing more to send, none of several was taken. True once for the same
        refusals.
        """
        refused = len(self._domains_at_rcpt)
        news = refused >= RUN and refused > self._judged
        self._judged = refused
        return news
