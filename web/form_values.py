"""What a form sent, each field once."""

from collections.abc import Mapping

from werkzeug.datastructures import MultiDict

LINES = ("picture", "alt", "credit")
"""Fields that stand in a form once for each picture: together they are the lines of one text."""


def first_values(sent: Mapping[str, str]) -> dict[str, str]:
    """The first value of each field, of `LINES` all of them; by that a form goes through a log-in,
    a question or a refusal.
    """
    if not isinstance(sent, MultiDict):
        return dict(sent)
    return {
        name: "\n".join(values) if name in LINES else values[0] for name, values in sent.lists()
    }


def lines(value: str) -> list[str]:
    """The lines of such a text; none of an empty one."""
    return value.replace("\r\n", "\n").split("\n") if value else []
