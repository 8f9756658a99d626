"""What a feed says of its own accord, in the languages that it is said in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FeedLabels:
    """``key`` and ``new`` follow the title of a feed, behind a dash."""

    correction: str
    update: str
    withdrawn: str
    withdrawn_without_note: str
    key: str
    new: str
    about: str  # to who looks at the bytes


_WORDS = {
    "en": FeedLabels(
        "Correction",
        "Update",
        "Withdrawn",
        "This entry was withdrawn.",
        "key entries",
        "new entries only",
        "This is a feed. To follow it, copy its address into a feed reader.",
    ),
    "de": FeedLabels(
        "Korrektur",
        "Aktualisierung",
        "Zurückgezogen",
        "Dieser Beitrag wurde zurückgezogen.",
        "Wichtiges",
        "nur Neues",
        "Dies ist ein Feed. Um ihm zu folgen, kopieren Sie seine Adresse in einen Feedreader.",
    ),
}


def words(language: str) -> FeedLabels:
    """Those of a language tag; English where there are none."""
    return _WORDS.get(language.partition("-")[0].lower(), _WORDS["en"])
