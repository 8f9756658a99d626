"""Google Chat's incoming webhooks, in its own markup."""

from apprise.plugins.google_chat import NotifyGoogleChat

from notifier.services.base import Service, fixed_host
from notifier.services.dialect import Dialect, angle_link, lookalikes


class GoogleChat(NotifyGoogleChat):  # type: ignore[no-untyped-call]
    """The space that the webhook was made for."""

    enabled = True


DIALECT = Dialect(
    limit=4_000,  # characters; a message may have 32,000 bytes, but a text of 4,096 characters
    escape=lookalikes,  # which ends <users/all>; there are no escapes
    link=angle_link,
    strong=lambda text: f"*{text}*",
)


SERVICE = Service(
    name="google-chat",
    label="Google Chat",
    example="https://chat.googleapis.com/v1/spaces/…/messages?key=…&token=…",
    plugin=GoogleChat,
    encrypted={"gchat": True},
    host=fixed_host("chat.googleapis.com"),
    format=DIALECT.alone,
    pace_seconds=1.1,  # one message a second and space, all webhooks together
    retry_unknown=False,  # people would read it twice
    parameters=frozenset({"key", "token", "thread", "threadkey"}),
)
