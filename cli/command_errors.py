"""The error that ends a process with one sentence and a code that prevents a restart."""


class CannotStart(Exception):
    """The process cannot work here, and a restart would not help; the message says what to do.

    The command exits with ``os.EX_CONFIG`` (78, as in sysexits.h), which the supervisor does not
    answer with a restart.
    """
