"""Wake-ups between processes, sent through RabbitMQ where one is set."""

import atexit
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.errors import BrokerConnectionError
from pika import URLParameters  # type: ignore[import-untyped]

from config.settings import Settings
from notifier.worker.log_once import LogOnce
from notifier.worker.station import STOP_CHECK_MS

log = logging.getLogger(__name__)

QUEUES = ("storywire-expand", "storywire-urgent", "storywire-bulk")
EXPAND, URGENT, BULK = QUEUES
Ring = Callable[[], None]
_LISTENING = "listening to RabbitMQ"
_LAST_RING_SECONDS = 1.0  # that a process that ends waits for its last ring


class BrokerWakeup:
    """Rings at whichever node listens. A background thread does it, so nobody waits for a broker
    that is away.
    """

    def __init__(self, broker_url: str) -> None:
        self._broker = RabbitmqBroker(url=broker_url, middleware=[])
        self._actors = {
            name: dramatiq.actor(actor_name=name, queue_name=name, broker=self._broker)(_nothing)
            for name in QUEUES
        }
        self._troubles = LogOnce(log)
        self._wanted: set[str] = set()
        self._wake = threading.Condition()
        self._busy = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="wakeup", daemon=True)
        self._thread.start()
        atexit.register(self.flush)

    def ring(self, queue: str = EXPAND) -> None:
        """Returns at once; several rings of one queue may become one."""
        with self._wake:
            self._wanted.add(queue)
            self._wake.notify_all()

    def flush(self, seconds: float = _LAST_RING_SECONDS) -> bool:
        """Wait until what was rung has left; False where that takes longer."""
        with self._wake:
            return self._wake.wait_for(
                lambda: self._closed or not (self._wanted or self._busy), seconds
            )

    def close(self) -> None:
        """End the thread and its connection."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        self._thread.join(_LAST_RING_SECONDS)
        atexit.unregister(self.flush)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._busy = False
                self._wake.notify_all()
                self._wake.wait_for(lambda: self._closed or self._wanted)
                if self._closed:
                    return
                wanted, self._wanted, self._busy = self._wanted, set(), True
            try:
                for queue in wanted:
                    self._actors[queue].send()
                self._troubles.over("ringing RabbitMQ")
            except Exception as exc:  # whatever a broker does, the ticker finds the work
                self._troubles.report("ringing RabbitMQ", exc)
            finally:
                del self._broker.connection  # an idle one would miss its heartbeats


def try_broker(broker_url: str) -> None:
    """Connect as workers do and leave again; AMQPError, or OSError, where that fails."""
    broker = RabbitmqBroker(url=broker_url, middleware=[])
    try:
        broker.channel.basic_qos(prefetch_count=1)
    finally:
        broker.close()


def broker_answers(broker_url: str, *, seconds: float = 1.0) -> bool:
    """Whether any host of ``broker_url`` takes a connection within ``seconds``; no log-in is tried."""
    for url in broker_url.split(";"):
        where = URLParameters(url)
        with suppress(OSError):
            socket.create_connection((where.host, where.port), timeout=seconds).close()
            return True
    return False


def make_wakeup(settings: Settings) -> Ring:
    """Function that wakes the workers after a change. It never blocks, and does nothing where no
    broker is set.
    """
    if not settings.broker_url:
        return lambda: None
    return BrokerWakeup(settings.broker_url).ring


class _HeardBroker(RabbitmqBroker):
    """Says once that it cannot be listened to, and once that it can again."""

    def __init__(self, broker_url: str, troubles: LogOnce) -> None:
        super().__init__(url=broker_url, middleware=[])
        self._troubles = troubles

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> dramatiq.Consumer:
        try:
            consumer = super().consume(queue_name, prefetch, timeout)
        except Exception as exc:  # Dramatiq tries it again every three seconds
            self._troubles.report(_LISTENING, exc)
            raise
        self._troubles.over(_LISTENING)
        return consumer


class _ReportOnce(logging.Filter):
    """Hides what a consumer of Dramatiq says of a lost connection; the first is reported."""

    def __init__(self, troubles: LogOnce) -> None:
        super().__init__()
        self._troubles = troubles

    def filter(self, record: logging.LogRecord) -> bool:
        """False for all that is more than information."""
        if record.levelno < logging.WARNING:
            return True
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            error = BrokerConnectionError(record.getMessage())  # type: ignore[no-untyped-call]
        self._troubles.report(_LISTENING, error)
        return False


class BrokerListener:
    """Rings the stations of this process when RabbitMQ says so. A message is answered at once, so
    none piles up.
    """

    def __init__(self, broker_url: str, stations: Mapping[str, Ring]) -> None:
        troubles = LogOnce(log)
        self._broker = _HeardBroker(broker_url, troubles)
        self._filter = _ReportOnce(troubles)
        self._loggers: list[logging.Logger] = []
        for queue, ring in stations.items():
            dramatiq.actor(actor_name=queue, queue_name=queue, broker=self._broker)(ring)
            for name in (queue, f"{queue}.DQ"):
                self._loggers.append(logging.getLogger(f"dramatiq.worker.ConsumerThread({name})"))
        for logger in self._loggers:
            logger.addFilter(self._filter)
        self._worker = dramatiq.Worker(self._broker, worker_threads=1, worker_timeout=STOP_CHECK_MS)

    def start(self) -> None:
        """Connect in the background, again and again while the broker is away."""
        self._worker.start()

    def stop(self) -> None:
        """Leave the broker."""
        self._worker.stop(timeout=5_000)
        self._broker.close()
        for logger in self._loggers:
            logger.removeFilter(self._filter)


def _nothing() -> None:
    """The ringing side has no work of its own."""
