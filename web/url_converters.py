"""Converters of URL parts; anything else is not found without a query."""

from werkzeug.routing import BaseConverter, ValidationError

from models.text.texts import is_slug_text

MAX_INTEGER = 2**63 - 1  # that a database can compare with


class SlugConverter(BaseConverter):
    """Slugs of streams."""

    regex = r"[a-z0-9]+(?:-[a-z0-9]+)*"


class WordsConverter(BaseConverter):
    """Slugs of tags and contributors: words of any script."""

    def to_python(self, value: str) -> str:
        if not is_slug_text(value) or not all(value.split("-")):
            raise ValidationError
        return value


class UidConverter(BaseConverter):
    """Uids of entries."""

    regex = r"[0-9a-z]{1,32}"


class TokenConverter(BaseConverter):
    """Tokens of mailed links."""

    regex = r"[A-Za-z0-9_-]{1,200}"


class Sha256Converter(BaseConverter):
    """Names of picture files."""

    regex = r"[0-9a-f]{64}"


CONVERTERS = {
    "sha256": Sha256Converter,
    "slug": SlugConverter,
    "words": WordsConverter,
    "uid": UidConverter,
    "token": TokenConverter,
}


def number(value: str | None) -> int | None:
    """A whole number that a database can hold, or None."""
    if value is None or not value.isascii() or not value.isdigit() or len(value) > 19:
        return None
    return int(value) if int(value) <= MAX_INTEGER else None
