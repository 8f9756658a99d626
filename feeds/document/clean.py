"""The last check before the formats: nothing that passes here can make a document invalid.

The models clean what comes in.  This cleans again, because feedgen finds a bad character only while
it writes, and one entry would then take the whole feed down.
"""

import re
from collections.abc import Hashable
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from functools import cache
from operator import is_
from typing import Any, TypeVar, cast

T = TypeVar("T")

# Outside XML's Char (XML 1.0 section 2.2), or among the control characters that it discourages.
# U+0085 ends a line.
_FORBIDDEN = re.compile(
    "[^\t\n\r\u0020-\u007e\u0085\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)


def clean_text(text: str) -> str:
    """``text`` without control characters, lone surrogates, U+FFFE and U+FFFF.

    Tabs and line ends stay.
    """
    return _FORBIDDEN.sub("", text)


def clean_time(time: datetime) -> datetime:
    """``time`` in UTC and whole seconds.

    Raises ValueError if it has no time zone, since a guess could shift it by hours.
    """
    if time.tzinfo is None:
        raise ValueError(f"{time.isoformat()} has no time zone")
    return time.astimezone(UTC).replace(microsecond=0)


def cleaned(value: T) -> T:
    """A document, entry or person with all texts and times in it cleaned.

    Returns ``value`` itself if it was clean.
    """
    return _clean(value)  # type: ignore[no-any-return]


def _clean(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return clean_text(value)
    if kind is datetime:
        return value if value.tzinfo is UTC and not value.microsecond else clean_time(value)
    if kind is tuple:
        parts = tuple(map(_clean, value))
        return value if all(map(is_, parts, value)) else parts
    changed = {}
    for name in _field_names(cast(Hashable, kind)):
        part = getattr(value, name)
        clean = _clean(part)
        if clean is not part:  # equal times may be written differently
            changed[name] = clean
    return replace(value, **changed) if changed else value


@cache
def _field_names(kind: Hashable) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
