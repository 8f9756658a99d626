"""JSON webhook: a body and signature of our own, described in docs/webhook.md; read by programs."""

import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from typing import Any

import requests
from apprise.plugins.custom_json import NotifyJSON

from notifier.message.channel_message import ChannelMessage, cut, one_line
from notifier.services.base import Formatted, Service

VERSION = "1"
TITLE_LIMIT = 1_000
TEXT_LIMIT = 20_000


def signature(secret: bytes, body: bytes, at: int) -> str:
    """Value of the Storywire-Signature header for ``body`` sent ``at`` that Unix time."""
    digest = hmac.new(secret, b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Webhook(NotifyJSON):  # type: ignore[no-untyped-call]
    """Posts the body that it is given, byte for byte, with a signature over exactly those bytes."""

    enabled = True
    secret = b""
    event = ""
    delivery = ""

    def send(self, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002  Apprise hands in names alone
        data = kwargs["body"].encode()
        headers = {
            **self.headers,
            "User-Agent": self.app_id,
            "Content-Type": "application/json",
            "Storywire-Event": self.event,
            "Storywire-Delivery": self.delivery,
        }
        if self.secret:
            headers["Storywire-Signature"] = signature(self.secret, data, int(time.time()))
        port = f":{self.port}" if self.port else ""
        answer = requests.request(
            "POST",
            f"{'https' if self.secure else 'http'}://{self.host}{port}{self.fullpath}",
            data=data,
            params=self.params or None,
            headers=headers,
            auth=(self.user, self.password or "") if self.user else None,
            verify=self.verify_certificate,
            timeout=self.request_timeout,
            allow_redirects=self.redirects,
        )
        return answer.ok


def _date(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds") if at else None


def _format(message: ChannelMessage) -> Formatted:
    # The texts are left as the editor wrote them: a program reads them, and docs/webhook.md says
    # so.
    body: dict[str, Any] = {
        "version": VERSION,
        "event": message.event,
        "id": message.guid,
        "delivery": message.uid,
        "stream": {"title": cut(message.stream_title, TITLE_LIMIT), "url": message.stream_url},
        "label": message.label,
        "title": cut(one_line(message.title), TITLE_LIMIT),
        "dek": cut(message.dek, TEXT_LIMIT),
        "byline": cut(message.byline, TITLE_LIMIT),
        "url": message.url,
        "content_text": cut(message.body_text, TEXT_LIMIT),
        "note": cut(message.note, TEXT_LIMIT),
        "importance": message.importance,
        "tags": list(message.tags),
        "pictures": list(message.pictures),
        "published_at": _date(message.published_at),
        "updated_at": _date(message.updated_at),
    }
    if message.lines:
        body["entries"] = [
            {"title": cut(line.title, TITLE_LIMIT), "url": line.url} for line in message.lines
        ]
    return "", json.dumps(body, ensure_ascii=False), None


def _prepare(plugin: Webhook, message: ChannelMessage, secret: bytes) -> None:
    plugin.secret = secret
    plugin.event = message.event
    plugin.delivery = message.uid


SERVICE = Service(
    name="webhook",
    label="JSON webhook",
    example="jsons://host.example/path",
    plugin=Webhook,
    encrypted={"jsons": True, "json": False},
    format=_format,
    pace_seconds=0.0,  # a program sets its own pace, by 429 and Retry-After
    retry_unknown=True,  # it drops a double by the delivery's uid
    folds=False,  # a program wants each by itself
    extras="+-",
    prepare=_prepare,
)
