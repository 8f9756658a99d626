"""Rows of a subscriber list, read from their cells."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from models.recipients.list_columns import CONFIRMED, ColumnChoice, Columns, address_of, of_cell
from models.recipients.list_settings import FollowedStory, read_settings
from models.tables.ledger import RecipientState
from models.text.email_address import is_hashed_address
from models.text.errors import Invalid
from models.text.texts import language_tag
from models.text.times import zone_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Columns of Storywire's own export beside address, state and language."""

    timezone: str
    follows: tuple[FollowedStory, ...]
    consent: dict[str, Any] | None
    reason: str = ""
    confirmed_at: datetime | None = None
    created_at: datetime | None = None
    ended_at: datetime | None = None
    quiet_from: time | None = None
    quiet_until: time | None = None
    paused_until: datetime | None = None
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a list; ``line`` is its number in the file.

    ``consent`` proves that the owner wants mail; ``kept`` is there in a list that Storywire wrote;
    ``problem`` says why the row cannot be taken.
    """

    line: int
    email: str
    language: str = ""
    consent: str = ""
    wanted: ColumnChoice = CONFIRMED
    kept: Kept | None = None
    problem: str = ""

    @property
    def plain(self) -> bool:
        """Whether it does no more than subscribe an address."""
        return self.kept is None and self.wanted.state is RecipientState.CONFIRMED


def read_row(columns: Columns, line: int, row: Sequence[str]) -> Row:
    """The row that stands in these cells."""
    cells = columns.cells(row)
    email = address_of(cells.get(columns.address or "", ""))
    try:
        wanted = columns.wanted(cells)
        if not columns.ours:
            return Row(line, email, cells.get("language", ""), cells.get("consent", ""), wanted)
        if damaged := next((name for name, cell in cells.items() if "\0" in cell), ""):
            raise Invalid(damaged, "remove the control character U+0000.")
        kept = _kept(cells)
        if is_hashed_address(email) and wanted.state is not RecipientState.SUPPRESSED:
            raise Invalid("e-mail", "only blocked addresses can be stored as a hash.")
        language = cells.get("language", "")
        if language:
            language = language_tag("language", language)
    except Invalid as exc:
        return Row(line, email, problem=str(exc))
    return Row(line, email, language, "", wanted, kept)


def _kept(cells: Mapping[str, str]) -> Kept:
    return Kept(
        timezone=zone_name("time zone", cells.get("timezone") or "UTC"),
        follows=read_settings(cells.get("follows", ""), cells.get("settings", "")),
        consent=_consent(cells.get("consent", "")),
        reason=of_cell(cells.get("reason", ""))[:500],
        confirmed_at=_moment("confirmed_at", cells),
        created_at=_moment("created_at", cells),
        ended_at=_moment("ended_at", cells),
        quiet_from=_time("quiet_from", cells),
        quiet_until=_time("quiet_until", cells),
        paused_until=_moment("paused_until", cells),
        shared=cells.get("shared", "") == "true",
    )


def _consent(cell: str) -> dict[str, Any] | None:
    """The proof as it was stored, or what somebody has written into the cell since."""
    if not cell:
        return None
    try:
        value = json.loads(cell)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # or characters that no export could hold
        value = None
    return value if isinstance(value, dict) else {"how": "import", "said": cell[:500]}


def _moment(name: str, cells: Mapping[str, str]) -> datetime | None:
    cell = cells.get(name, "")
    try:
        parsed = datetime.fromisoformat(cell) if cell else None
        if parsed is None or parsed.tzinfo is not None:
            return parsed.astimezone(UTC) if parsed else None
        return parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as exc:
        raise Invalid(
            name,
            f"{cell!r:.40} is not a time. Enter it like 2026-03-14T09:42+01:00, or leave it empty.",
        ) from exc


def _time(name: str, cells: Mapping[str, str]) -> time | None:
    cell = cells.get(name, "")
    try:
        return time.fromisoformat(cell).replace(tzinfo=None) if cell else None
    except ValueError as exc:
        raise Invalid(
            name, f"{cell!r:.40} is not a time. Enter it like 08:00, or leave it empty."
        ) from exc
