"""Stop requests to a child process: a signal, or the death of its supervisor, even by SIGKILL."""

import os
import signal
import threading
from collections.abc import Callable

# Descriptor number of the pipe's read end; the underscore keeps it out of the settings.
VARIABLE = "_STORYWIRE_PARENT_PIPE"
GRACE_SECONDS = 3  # for an orphan to finish its work
_STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def on_stop(act: Callable[[], object]) -> None:
    """Call ``act`` once, in its own thread, on SIGTERM, SIGINT or the supervisor's death.

    An orphan is killed `GRACE_SECONDS` later.  Call this before starting threads: it blocks the
    signals for all of them.  A signal handler would interrupt the main thread, where ``Event.set``
    can deadlock on a lock that the same thread holds, and it would run twice: a service manager
    signals every process, and then the supervisor does, too.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    threading.Thread(target=_wait_for_signal, args=(act,), name="stop", daemon=True).start()
    number = os.environ.pop(VARIABLE, None)
    if number is not None:
        os.set_inheritable(int(number), False)
        threading.Thread(
            target=_wait_for_parent_death, args=(int(number),), name="parent watch", daemon=True
        ).start()


def _wait_for_signal(act: Callable[[], object]) -> None:
    signal.sigwait(_STOP_SIGNALS)
    act()


def _wait_for_parent_death(pipe: int) -> None:
    # The parent never writes: this returns when the kernel closes its end.
    os.read(pipe, 1)
    # Without a handler, SIGALRM kills a process that hangs while draining.
    signal.alarm(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
