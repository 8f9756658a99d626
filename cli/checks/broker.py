"""Check of the message broker."""

from collections.abc import Iterator

from cli.checks.checkup import CheckResult, Checkup, fault
from config.logging import silence_pika


def check_broker(checkup: Checkup) -> Iterator[CheckResult]:
    """Check that the broker, if one is set, accepts a connection."""
    url = checkup.settings.broker_url
    if not url:
        return
    # Most sites have no broker, and the import takes as long as all other checks together.
    from pika.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415
        AMQPError,
        ConnectionClosedByBroker,
        ProbableAuthenticationError,
    )

    from notifier.worker.log_once import reason  # noqa: PLC0415
    from notifier.worker.wakeup import try_broker  # noqa: PLC0415

    silence_pika()
    try:
        try_broker(url)
    except (ProbableAuthenticationError, ConnectionClosedByBroker) as exc:
        yield fault(
            f"The broker rejects the log-in: {reason(exc)}.",
            "Check the user, password and virtual host in STORYWIRE_BROKER_URL.",
        )
    except (AMQPError, OSError) as exc:
        yield fault(
            f"The broker does not answer: {reason(exc)}. Alerts are sent about a second later.",
            "Start RabbitMQ, or correct STORYWIRE_BROKER_URL. Leave it empty if you have no broker.",
        )
