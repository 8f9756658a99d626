"""What a recipient is to be told: the part of a form that says so, and what it means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import time
from typing import Any, Self

from werkzeug.datastructures import MultiDict

from models.recipients.preferences import Follow, Preferences, Rhythm
from models.tables.ledger import Cadence
from models.tables.stories import Importance, Stream
from models.text.errors import Invalid
from web.desk.forms import choice, names
from web.url_converters import number

ALL = "*"


@dataclass(frozen=True)
class WishForm:
    """Every field as text, as the browser sent it."""

    streams: tuple[str, ...] = (ALL,)
    tags: str = ""
    importance: str = "normal"
    kinds: tuple[str, ...] = ("news", "corrections")
    cadence: str = "at_once"
    minutes: str = "60"
    at: str = "07:00"
    day: str = "0"
    first: str = ""  # what does not wait for a digest
    quiet_from: str = ""
    quiet_until: str = ""
    timezone: str = "UTC"

    @classmethod
    def read(cls, sent: MultiDict[str, str]) -> Self:
        """What was sent."""
        many = {"streams": "stream", "kinds": "kind"}
        one = {name: sent.get(name, "") for name in cls.__dataclass_fields__ if name not in many}
        return cls(**one, **{name: tuple(sent.getlist(field)) for name, field in many.items()})  # type: ignore[arg-type]

    @classmethod
    def of(cls, wanted: Preferences, streams: Sequence[Stream]) -> Self:
        """What is wanted now; where stories are followed in different ways, the first one's."""
        slugs = {stream.id: stream.slug for stream in streams}
        first = wanted.follows[0] if wanted.follows else Follow()
        rhythm = first.rhythm
        return cls(
            streams=tuple(
                ALL if one.stream_id is None else slugs.get(one.stream_id, "")
                for one in wanted.follows
            ),
            tags=", ".join(first.tags),
            importance=first.least_importance.value,
            kinds=tuple(name for name in ("news", "corrections") if getattr(first, name)),
            cadence=rhythm.cadence.value,
            minutes=str(rhythm.every_minutes or cls.minutes),
            at=_clock(rhythm.digest_time) or cls.at,
            day=str(rhythm.digest_day or 0),
            first=rhythm.at_once_from.value if rhythm.at_once_from else "",
            quiet_from=_clock(wanted.quiet_from),
            quiet_until=_clock(wanted.quiet_until),
            timezone=wanted.timezone,
        )

    def preferences(self, base: Preferences, streams: Sequence[Stream]) -> Preferences:
        """What is meant, on top of what this form does not ask; raises Invalid."""
        ids: dict[str, Any] = {stream.slug: stream.id for stream in streams} | {ALL: None}
        if any(slug not in ids for slug in self.streams):
            raise Invalid("stream", "choose stories that are there.")
        rhythm = Rhythm(
            cadence=choice(Cadence, "cadence", self.cadence),
            at_once_from=choice(Importance, "first", self.first) if self.first else None,
            every_minutes=number(self.minutes),
            digest_time=_time("at", self.at),
            digest_day=number(self.day),
        )
        follow = Follow(
            tags=names(self.tags),
            least_importance=choice(Importance, "importance", self.importance),
            news="news" in self.kinds,
            corrections="corrections" in self.kinds,
            rhythm=rhythm,
        )
        # Who follows all stories follows each.
        wanted = (ALL,) if ALL in self.streams else self.streams
        return replace(
            base,
            follows=tuple(replace(follow, stream_id=ids[slug]) for slug in wanted),
            quiet_from=_time("quiet hours", self.quiet_from),
            quiet_until=_time("quiet hours", self.quiet_until),
            timezone=self.timezone,
        )


def _clock(moment: time | None) -> str:
    return f"{moment:%H:%M}" if moment else ""


def _time(field: str, value: str) -> time | None:
    try:
        return time.fromisoformat(value) if value else None
    except ValueError as exc:
        raise Invalid(field, "write a time such as 07:00.") from exc


def said(follows: Mapping[int, Sequence[Any]], recipient_id: int) -> str:
    """What somebody follows, in a few words."""
    mine = follows.get(recipient_id, ())
    return ", ".join(one.stream.title if one.stream else "All stories" for one in mine) or "Nothing"
