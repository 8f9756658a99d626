"""The last gate before the formats: nothing that passes here can make a document invalid.

The newsroom cleans what comes in; this cleans again, because feedgen finds a bad character only while it writes, and one
entry would then take the whole feed down.
"""

import re
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")

# Outside XML's Char (XML 1.0 section 2.2), or among the control characters that it discourages.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean_text(text: str) -> str:
    """``text`` without control characters, lone surrogates, U+FFFE and U+FFFF; tab and line ends stay."""
    return _FORBIDDEN.sub("", text)


def clean_time(moment: datetime) -> datetime:
    """The moment in UTC, in whole seconds; a naive one raises ValueError, since any guess could shift it by hours."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    return moment.astimezone(UTC).replace(microsecond=0)


def cleaned(value: T) -> T:
    """A copy of a document, entry or person with each text and time in it cleaned, however deep it lies."""
    return _clean(value)  # type: ignore[no-any-return]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value) if type(value) is str else value
    if isinstance(value, datetime):
        return clean_time(value)
    if isinstance(value, tuple):
        return tuple(_clean(part) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _clean(getattr(value, field.name)) for field in fields(value)})
    return value
