"""Wake-ups inside a process: one queue of Dramatiq, and the threads that answer it.

A wake-up carries nothing: what is due is in the database. A lost one costs a second, until the
ticker looks; a repeated one costs a query.
"""

import threading
from collections.abc import Callable

import dramatiq
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Middleware

from notifier.worker.log_once import LogOnce

STOP_CHECK_MS = 250
"""How often idle threads look whether they shall end."""


class _ThreadEnd(Middleware):
    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def before_worker_thread_shutdown(
        self,
        broker: dramatiq.Broker,  # noqa: ARG002
        thread: threading.Thread,  # noqa: ARG002
    ) -> None:
        self._call()


class Station:
    """Calls ``work`` in ``threads`` threads when it is rung, and again while ``work`` says that it
    found something.

    No middleware of Dramatiq's is used: no retries, no time limits, no age limits, since all of
    that is in the ledger.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], int],
        troubles: LogOnce,
        *,
        threads: int = 1,
        most_stand_ins: int = 0,
        on_thread_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._name, self._work, self._troubles, self._threads = name, work, troubles, threads
        self._most_stand_ins, self._stand_ins, self._on_thread_end = (
            most_stand_ins,
            set[threading.Thread](),
            on_thread_end,
        )
        self._stopped = False
        self._lock = threading.Lock()
        self._waiting = 0  # rings that no thread has answered yet
        broker = StubBroker(middleware=[_ThreadEnd(on_thread_end)])
        self._actor = dramatiq.actor(actor_name=name, queue_name=name, broker=broker)(self._answer)
        self._worker = dramatiq.Worker(broker, worker_threads=threads, worker_timeout=STOP_CHECK_MS)

    def start(self) -> None:
        """Start the threads."""
        self._worker.start()

    def ring(self) -> None:
        """Wake every thread that is idle; never blocks, and no more rings wait than there are
        threads.
        """
        with self._lock:
            missing = 0 if self._stopped else self._threads - self._waiting
            self._waiting += missing
        for _ in range(missing):
            self._actor.send()

    def stop(self) -> None:
        """Let each thread finish what it has in hand, which must watch for the end by itself, and
        end the threads.
        """
        with self._lock:
            self._stopped = True
            stand_ins = list(self._stand_ins)
        self._worker.stop()
        for thread in stand_ins:
            thread.join()

    def stand_in(self, first: Callable[[], object]) -> None:
        """One thread more, in place of one that waits for an answer: it does ``first``, and then
        works until it finds nothing.
        """
        thread = threading.Thread(
            target=self._stand_in, args=(first,), name=f"{self._name} stand-in"
        )
        with self._lock:
            if self._stopped or len(self._stand_ins) >= self._most_stand_ins:
                return
            self._stand_ins.add(thread)
            thread.start()

    def _stand_in(self, first: Callable[[], object]) -> None:
        try:
            first()
            while not self._stopped and self._work():
                pass
        except Exception as exc:  # as below
            self._troubles.report(self._name, exc)
        finally:
            self._on_thread_end()
            with self._lock:
                self._stand_ins.discard(threading.current_thread())

    def _answer(self) -> None:
        with self._lock:
            self._waiting -= 1
        try:
            found = self._work()
            self._troubles.over(self._name)
        except Exception as exc:  # the outer loop of all work: the ticker rings again
            self._troubles.report(self._name, exc)
            return
        if found:
            self.ring()
