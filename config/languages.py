"""Languages of pages, e-mails, chat messages and feeds.

The source strings are English.  Every other language is one gettext catalogue,
``translations/<language>/LC_MESSAGES/messages.po``; `make strings` updates all of them.
"""

from pathlib import Path

FOLDER = Path(__file__).parent / "translations"
LANGUAGES = ("en", *sorted(path.name for path in FOLDER.iterdir()))


def base_language(tag: str) -> str:
    """Get ``de`` from ``de-AT``."""
    return tag.partition("-")[0].lower()


def closest_language(tag: str) -> str:
    """Get the translated language for a language tag, or else English."""
    base = base_language(tag)
    return base if base in LANGUAGES else "en"


def mark(text: str) -> str:
    """Mark ``text`` for extraction; it is translated later, when the language is known."""
    return text
