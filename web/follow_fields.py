"""The form fields of one subscription's filters and cadence, for readers and for channels."""

from collections.abc import Mapping
from datetime import time
from enum import Enum
from typing import TypeVar

from models.recipients.digest_times import MORNING
from models.recipients.preferences import Follow, Rhythm
from models.tables.ledger import Cadence
from models.tables.stories import Importance
from models.text.errors import Invalid
from web.url_converters import number

E = TypeVar("E", bound=Enum)


def follow_fields(follow: Follow) -> dict[str, str]:
    rhythm = follow.rhythm
    kinds = "both"
    if not follow.corrections:
        kinds = "new"
    elif not follow.news:
        kinds = "corrections"
    return {
        "tags": ", ".join(follow.tags),
        "least": follow.least_importance.value,
        "kinds": kinds,
        "cadence": rhythm.cadence.value,
        "sooner": rhythm.at_once_from.value if rhythm.at_once_from else "",
        "minutes": str(rhythm.every_minutes or 30),
        "at": clock_value(rhythm.digest_time or MORNING),
        "day": str(rhythm.digest_day or 0),
    }


def read_follow(fields: Mapping[str, str], suffix: str = "") -> Follow:
    """The inverse of `follow_fields`, of fields whose names end with ``suffix``; raises Invalid."""

    def value(field: str) -> str:
        return fields.get(f"{field}{suffix}", "")

    kinds = value("kinds")
    sooner = value("sooner")
    if kinds not in ("both", "new", "corrections"):
        raise Invalid("kinds", "choose one of the options.")
    return Follow(
        tags=tuple(tag for tag in value("tags").split(",") if tag.strip()),
        least_importance=_member(Importance, "importance", value("least")),
        news=kinds != "corrections",
        corrections=kinds != "new",
        rhythm=Rhythm(
            cadence=_member(Cadence, "how often", value("cadence")),
            at_once_from=_member(Importance, "at once", sooner) if sooner else None,
            every_minutes=number(value("minutes")),
            digest_time=read_time("time of the digest", value("at")),
            digest_day=number(value("day")),
        ),
    )


def clock_value(at: time | None) -> str:
    return f"{at:%H:%M}" if at else ""


def read_time(field: str, value: str) -> time | None:
    """Raises Invalid."""
    try:
        return time.fromisoformat(value).replace(tzinfo=None) if value.strip() else None
    except ValueError as exc:
        raise Invalid(
            field, "%(value)s is not a time. Enter it like 08:00.", value=f"{value!r:.20}"
        ) from exc


def _member(kind: type[E], field: str, value: str) -> E:
    try:
        return kind(value)
    except ValueError as exc:
        raise Invalid(field, "choose one of the options.") from exc
