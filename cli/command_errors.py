"""What ends a command with one sentence instead of a traceback."""


class CannotStart(Exception):
    """The process cannot work here and trying again would not help; the message is one sentence
    that says what to do.

    A command that meets it exits with ``os.EX_CONFIG`` (78, as in sysexits.h), which the supervisor
    does not answer with a restart.
    """
