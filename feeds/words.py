"""What a feed says of its own accord, in the languages that it is said in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """``key`` and ``new`` follow the title of a feed, behind a dash."""

    correction: str
    withdrawn: str
    withdrawn_without_note: str
    key: str
    new: str


_WORDS = {
    "en": Words("Correction", "Withdrawn", "This entry was withdrawn.", "key entries", "new entries only"),
    "de": Words("Korrektur", "Zurückgezogen", "Dieser Beitrag wurde zurückgezogen.", "Wichtiges", "nur Neues"),
}


def words(language: str) -> Words:
    """Those of a language tag; English where there are none."""
    return _WORDS.get(language.partition("-")[0].lower(), _WORDS["en"])
