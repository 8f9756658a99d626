"""What may stand in an address: anything else is not found before a database is asked."""

from werkzeug.routing import BaseConverter, ValidationError

from models.text.texts import is_slug_text

LARGEST = 2**63 - 1  # the largest number that a database can compare with


class SlugConverter(BaseConverter):
    """The slug of a stream."""

    regex = r"[a-z0-9]+(?:-[a-z0-9]+)*"


class WordsConverter(BaseConverter):
    """The slug of a tag or a contributor: words of any script."""

    def to_python(self, value: str) -> str:
        """The slug; anything else is no address of ours."""
        if not is_slug_text(value) or not all(value.split("-")):
            raise ValidationError
        return value


class UidConverter(BaseConverter):
    """The uid of an entry."""

    regex = r"[0-9a-z]{1,32}"


class TokenConverter(BaseConverter):
    """A token of URL characters."""

    regex = r"[A-Za-z0-9_-]{1,200}"


class Sha256Converter(BaseConverter):
    """A SHA-256, as pictures are named."""

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
    return int(value) if int(value) <= LARGEST else None
