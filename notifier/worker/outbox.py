"""Outbox: messages that are ready to leave, between the thread that prepares and those that send."""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from notifier.ledger.claim import Claim, Message
from notifier.ledger.pause import Brake
from notifier.message.channel_message import ChannelMessage
from notifier.transport.mime import MailBatch

CLAIM_SECONDS = 5.0
"""Longest time until the rest of a claim goes back, to be looked at and rendered anew."""


class Batch:
    """One claim on its way out, and which of its deliveries are still to be settled."""

    def __init__(self, claim: Claim, brake: Brake, stopping: Callable[[], bool]) -> None:
        self.claim, self.token = claim, claim.lease.token
        self._brake, self._stopping = brake, stopping
        self._until = time.monotonic() + CLAIM_SECONDS
        self._closed = False
        self._lock = threading.Lock()
        self._unsettled: set[int] = set()
        self._in_flight: set[int] = set()
        self.add(claim.messages)

    def add(self, messages: Iterable[Message]) -> None:
        """Messages that were claimed by the same token."""
        with self._lock:
            self._unsettled.update(message.id for message in messages)

    def is_open(self) -> bool:
        """Whether more of it is to be sent; asks no database."""
        return not self._closed and time.monotonic() < self._until and not self._stopping()

    def close(self) -> None:
        """Send no more of it."""
        self._closed = True

    def may_start(self) -> bool:
        """Whether a message may begin now; asks the database now and then."""
        allowed = False
        try:
            allowed = self.is_open() and not self._brake.pulled() and self.claim.lease.held()
        finally:
            if not allowed:
                self.close()
        return allowed

    def starting(self, messages: Sequence[Message]) -> None:
        """From now on they may leave, so they are not given back."""
        with self._lock:
            self._in_flight.update(message.id for message in messages)

    def not_sent(self, messages: Sequence[Message]) -> None:
        """They did not leave after all."""
        with self._lock:
            self._in_flight.difference_update(message.id for message in messages)

    def settled(self, messages: Iterable[Message]) -> None:
        """Nothing more is to be done about them: their outcome is recorded, or cannot be."""
        with self._lock:
            ids = {message.id for message in messages}
            self._unsettled -= ids
            self._in_flight -= ids

    def take_rest(self) -> set[int]:
        """Once it is closed: deliveries to give back, each once."""
        with self._lock:
            rest = set() if self.is_open() else self._unsettled - self._in_flight
            self._unsettled -= rest
            return rest

    @property
    def finished(self) -> bool:
        return not self._unsettled

    @property
    def expired(self) -> bool:
        return time.monotonic() >= self._until


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One message to send, with the other deliveries that it carries.

    ``leave_token`` goes into a mail's link that ends the subscription.
    """

    batch: Batch
    message: Message
    content: ChannelMessage | MailBatch
    carried: Sequence[Message] = ()
    leave_token: str = ""

    @property
    def messages(self) -> Sequence[Message]:
        return (self.message, *self.carried)


class Outbox:
    """Jobs in the order in which they leave, the most urgent first; one at a time to a recipient.

    ``on_done`` is called whenever a job is done.
    """

    def __init__(self, on_done: Callable[[], None]) -> None:
        self._on_done = on_done
        self._ready: defaultdict[int, deque[Job]] = defaultdict(deque)  # by priority
        self._behind: defaultdict[int, deque[Job]] = defaultdict(deque)  # by busy recipient
        self._busy: set[int] = set()
        self._idle_senders = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, jobs: Iterable[Job]) -> int:
        """Add jobs; returns how many are ready without a sender that waits for them."""
        with self._changed:
            for job in jobs:
                self._ready[job.message.priority].append(job)
            self._changed.notify_all()
            return self._count_ready() - self._idle_senders

    def take(self) -> Job | None:
        """The next job, once there is one; None when the outbox is closed."""
        with self._changed:
            while not self._closed:
                job = self._next()
                if job is not None:
                    return job
                self._idle_senders += 1
                self._changed.wait()
                self._idle_senders -= 1
        return None

    def take_now(self) -> Job | None:
        """The next job; None where none is ready."""
        with self._changed:
            return None if self._closed else self._next()

    def done(self, job: Job) -> None:
        """``job`` is settled or given up, so the next one to its recipient may leave."""
        recipient_id = job.message.recipient_id
        with self._changed:
            self._busy.discard(recipient_id)
            behind = self._behind.pop(recipient_id, None)
            if behind:
                for following in reversed(behind):
                    self._ready[following.message.priority].appendleft(following)
                self._changed.notify()
            elif not self._busy:
                self._changed.notify_all()
        self._on_done()

    def ready(self) -> int:
        """How many jobs wait for a sender."""
        with self._changed:
            return self._count_ready()

    def first_priority(self) -> int | None:
        """The priority of the most urgent job that waits for a sender."""
        with self._changed:
            return min((priority for priority, jobs in self._ready.items() if jobs), default=None)

    def wait_until_idle(self) -> None:
        """Return when no job is in flight and none is ready."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and not self._count_ready())

    def close(self) -> None:
        """Let senders end after what they have in hand."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _count_ready(self) -> int:
        return sum(map(len, self._ready.values()))

    def _next(self) -> Job | None:
        dropped = False
        for priority in sorted(self._ready):
            jobs = self._ready[priority]
            while jobs:
                job = jobs.popleft()
                recipient_id = job.message.recipient_id
                if not job.batch.is_open():  # its claim goes back to the queue
                    dropped = True
                    continue
                if recipient_id not in self._busy:
                    self._busy.add(recipient_id)
                    return job
                self._behind[recipient_id].append(job)
        if dropped and not self._busy:  # otherwise idle senders would wake each other for ever
            self._changed.notify_all()
        return None
