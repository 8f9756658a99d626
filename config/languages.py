"""Languages of pages, mails, chat messages and feeds.

English is the language of the sources. Any other is one gettext catalogue,
``translations/<language>/LC_MESSAGES/messages.po``; `make strings` updates them all.
"""

from pathlib import Path

FOLDER = Path(__file__).parent / "translations"
LANGUAGES = ("en", *sorted(path.name for path in FOLDER.iterdir()))


def base_language(tag: str) -> str:
    """``de`` of ``de-AT``."""
    return tag.partition("-")[0].lower()


def closest_language(tag: str) -> str:
    """The one of `LANGUAGES` for a language tag; English where there is none."""
    base = base_language(tag)
    return base if base in LANGUAGES else "en"


def mark(text: str) -> str:
    """Mark ``text`` for extraction; it is translated where the language is known."""
    return text
