"""Columns of subscriber lists of all providers: addresses, languages, and whether mail is wanted.

The words are those of the providers' own documents: Ghost (ghost.org/help/import-members), listmonk
(subscriber status: enabled, disabled, blocklisted), Mailchimp (audience exports: subscribed,
unsubscribed with UNSUB_TIME, cleaned with CLEAN_TIME), Buttondown (SubscriberType in its OpenAPI
document) and Storywire's own export.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from babel.core import get_global

from models.tables.ledger import RecipientState
from models.text.errors import Invalid
from models.text.texts import language_tag

ADDRESS_COLUMNS = ("email", "email_address", "e_mail", "e_mail_address", "mail")

# From the least to the most strict: where columns disagree, the strictest word counts.
_STRICTNESS = (
    RecipientState.CONFIRMED,
    RecipientState.PENDING,
    RecipientState.ENDED,
    RecipientState.SUPPRESSED,
)

_WORDS: Mapping[RecipientState, frozenset[str]] = {
    RecipientState.CONFIRMED: frozenset(
        [
            "confirmed",
            "subscribed",
            "enabled",
            "active",
            "regular",
            "premium",
            "trialed",
            "unpaid",
            "gifted",
            "churning",
            "churned",
            "paused",
            "past_due",
        ]
    ),
    RecipientState.PENDING: frozenset(
        [
            "pending",
            "unconfirmed",
            "unactivated",
            "nonsubscribed",
            "non_subscribed",
            "not_subscribed",
            "transactional",
        ]
    ),
    RecipientState.ENDED: frozenset(
        [
            "ended",
            "unsubscribed",
            "disabled",
            "inactive",
            "removed",
            "deleted",
            "archived",
            "opted_out",
            "opt_out",
        ]
    ),
    RecipientState.SUPPRESSED: frozenset(
        [
            "suppressed",
            "blocklisted",
            "blacklisted",
            "blocked",
            "cleaned",
            "bounced",
            "complained",
            "spammy",
            "undeliverable",
            "junk",
        ]
    ),
}
_STATE_OF = {word: state for state, words in _WORDS.items() for word in words}

_STATUS_COLUMNS = frozenset(
    [
        "status",
        "subscription_status",
        "subscriber_status",
        "subscriber_type",
        "email_status",
        "confirm_status",
        "marketing_status",
        "email_marketing_status",
        "member_status",
    ]
)
# Columns that say yes or no, with what each answer means.
_YES = frozenset({"true", "1", "yes", "y", "t"})
_NO = frozenset({"false", "0", "no", "n", "f"})
_BOOLEAN_COLUMNS = {
    "subscribed_to_emails": (RecipientState.CONFIRMED, RecipientState.ENDED),  # Ghost
    "subscribed": (RecipientState.CONFIRMED, RecipientState.ENDED),
    "unsubscribed": (RecipientState.ENDED, RecipientState.CONFIRMED),
    "email_disabled": (RecipientState.ENDED, RecipientState.CONFIRMED),  # Substack
}
# Columns that are filled only where something happened.
_EVENT_COLUMNS = {
    "unsub_time": RecipientState.ENDED,  # Mailchimp
    "unsub_campaign_id": RecipientState.ENDED,
    "unsub_reason": RecipientState.ENDED,
    "clean_time": RecipientState.SUPPRESSED,
    "clean_campaign_id": RecipientState.SUPPRESSED,
    "unsubscription_date": RecipientState.ENDED,  # Buttondown
    "undeliverability_date": RecipientState.SUPPRESSED,
    "deleted_at": RecipientState.ENDED,  # Ghost
    "unsubscribed_at": RecipientState.ENDED,
}


def column_name(header: str) -> str:
    """The name of a column as it is compared: `Email Address` is email_address."""
    return "_".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", header).lower()))


@dataclass(frozen=True, slots=True)
class ColumnChoice:
    """Whether mail is wanted; ``word`` is what the list says, for those who look later."""

    state: RecipientState
    word: str = ""

    def stricter_than(self, other: "ColumnChoice") -> bool:
        """Whether this one counts where the two disagree."""
        return _STRICTNESS.index(self.state) > _STRICTNESS.index(other.state)


CONFIRMED = ColumnChoice(RecipientState.CONFIRMED)


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of a list's columns, in their order."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, header: Sequence[str]) -> "Columns":
        return cls(tuple(column_name(name) for name in header))

    @property
    def address(self) -> str | None:
        """The column that holds addresses."""
        return next((name for name in ADDRESS_COLUMNS if name in self.names), None)

    @property
    def ours(self) -> bool:
        """Whether Storywire wrote the list: `state` alone may be a place."""
        return {"state", "follows"} <= set(self.names)

    def cells(self, row: Sequence[str]) -> dict[str, str]:
        """The cells of a row by the name of their column; of columns of one name the first."""
        cells: dict[str, str] = {}
        for name, cell in zip(self.names, row, strict=False):
            # a mail server's words stay as they are
            cells.setdefault(name, cell if name == "reason" else cell.strip())
        return cells

    def wanted(self, cells: Mapping[str, str]) -> ColumnChoice:
        """Whether the owner of an address wants mail, by all columns that say so.

        Raises Invalid for a word that is not known: nobody is subscribed by a guess.
        """
        choices = [CONFIRMED]
        for name, cell in cells.items():
            if name in _STATUS_COLUMNS or self._is_status(name, cell):
                choices.append(_status(name, cell))
            elif name in _BOOLEAN_COLUMNS:
                choices.append(_answer(name, cell))
            elif name in _EVENT_COLUMNS and cell:
                choices.append(ColumnChoice(_EVENT_COLUMNS[name], name))
        return max(choices, key=lambda choice: _STRICTNESS.index(choice.state))

    def _is_status(self, name: str, cell: str) -> bool:
        if name == "type":  # of Buttondown; elsewhere it may be anything
            return "creation_date" in self.names or "email_address" in self.names
        return name == "state" and (self.ours or column_name(cell) in _STATE_OF)


def _status(name: str, cell: str) -> ColumnChoice:
    state = _STATE_OF.get(column_name(cell))
    if state is None:
        known = "subscribed, unconfirmed, unsubscribed or blocked"
        raise Invalid(
            name, f"{cell!r:.60} is not a status we know. Use {known}, or remove the row."
        )
    return ColumnChoice(state, cell)


def _answer(name: str, cell: str) -> ColumnChoice:
    yes, no = _BOOLEAN_COLUMNS[name]
    if cell.lower() in _YES:
        return ColumnChoice(yes, f"{name}: {cell}")
    if cell.lower() in _NO:
        return ColumnChoice(no, f"{name}: {cell}")
    raise Invalid(
        name, f"{cell!r:.60} is neither true nor false. Use one of them, or remove the row."
    )


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_NAME_ADDRESS = re.compile(r"[^<>]*<\s*([^<>]*?)\s*>")


def as_cell(text: str) -> str:
    """Text for a cell: what begins like a formula gets an apostrophe in front, which makes it text
    in a spreadsheet.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def of_cell(cell: str) -> str:
    """The text of a cell that `as_cell` or a spreadsheet has written."""
    return cell.removeprefix("'")


def address_of(cell: str) -> str:
    """The address in a cell: without a name in front, `mailto:`, quotes of a spreadsheet, and
    characters that show nothing around it.
    """
    text = _visible(cell)
    if text.startswith("'"):
        text = of_cell(text).removesuffix("'")
    if match := _NAME_ADDRESS.fullmatch(text):
        text = match[1]
    if text.lower().startswith("mailto:"):
        text = unquote(text[len("mailto:") :].partition("?")[0])  # RFC 6068 section 2
    return _visible(text)


def _visible(text: str) -> str:
    start, end = 0, len(text)
    while start < end and _shows_nothing(text[start]):
        start += 1
    while end > start and _shows_nothing(text[end - 1]):
        end -= 1
    return text[start:end]


def _shows_nothing(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) == "Cf"


def language_of(cell: str) -> str:
    """The language tag (BCP 47) for what lists call a language: de_DE, DE and deu are de. Raises
    Invalid.
    """
    parts = re.split(r"[-_]", re.split(r"[.@]", cell.strip())[0])
    language = parts[0].lower()
    language = get_global("language_aliases").get(language, language)
    usual_region = get_global("likely_subtags").get(language, "").rpartition("_")[2]
    others = [part for part in parts[1:] if part.upper() != usual_region]
    return language_tag("language", "-".join([language, *others]))
