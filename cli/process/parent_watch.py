"""How a child process is told to end: by a signal, or by the death of its supervisor, even by
SIGKILL.
"""

import os
import signal
import threading
from collections.abc import Callable

# number of the pipe's read end, for the child; the underscore keeps it out of the settings
VARIABLE = "_STORYWIRE_LIFELINE"
GRACE_SECONDS = 3  # what an orphan gets to finish what it holds
_STOP = {signal.SIGTERM, signal.SIGINT}


def on_stop(act: Callable[[], object]) -> None:
    """Call ``act`` once, in a thread of its own, on SIGTERM, SIGINT or the supervisor's death; an
    orphan is killed 3 s later.

    Called while the main thread is the only one: it blocks the signals for all that follow. A
    handler instead would run in the middle of whatever the main thread does, where ``Event.set``
    can wait for a lock that its own thread holds, and it would run again at each signal, of which a
    service manager sends one to every process and the supervisor a second.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    threading.Thread(target=_wait_for_a_signal, args=(act,), name="stop", daemon=True).start()
    number = os.environ.pop(VARIABLE, None)
    if number is not None:
        os.set_inheritable(int(number), False)
        threading.Thread(
            target=_wait_for_the_end_of_the_parent,
            args=(int(number),),
            name="lifeline",
            daemon=True,
        ).start()


def _wait_for_a_signal(act: Callable[[], object]) -> None:
    signal.sigwait(_STOP)
    act()


def _wait_for_the_end_of_the_parent(pipe: int) -> None:
    # Nothing is ever written: this returns when the other end's only holder is gone.
    os.read(pipe, 1)
    # SIGALRM without a handler: the kernel ends a process that hangs in its drain.
    signal.alarm(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
