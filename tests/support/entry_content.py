"""An entry as the renderers of mails and chat messages get it."""

from datetime import UTC, datetime

from models import Importance, RevisionKind
from models.text.markdown import to_html
from notifier.content.entry import EntryContent


def story(**given: object) -> EntryContent:
    values: dict[str, object] = {
        "kind": RevisionKind.PUBLISH,
        "note": "",
        "uid": "7kq2m",
        "guid": "urn:uuid:1",
        "title": "Dyke gives way",
        "dek": "Leave the Flats",
        "body": "About **thirty** metres, see [the map](https://maps.example/a?b=1&c=2).",
        "byline": ("Ann B", "Ced D"),
        "link": "",
        "importance": Importance.NORMAL,
        "tags": ("Dykes",),
        "published_at": datetime(2026, 3, 14, 7, 42, tzinfo=UTC),
        "updated_at": None,
        "stream_uid": "s7",
        "stream_slug": "tarrow",
        "stream_title": "The Tarrow rises",
        "language": "en",
        "timezone": "Europe/Kyiv",
        **given,
    }
    values.setdefault("body_html", to_html(str(values["body"])))
    return EntryContent(**values)  # type: ignore[arg-type]
