"""The values of a submitted form, one for each field."""

from collections.abc import Mapping

from werkzeug.datastructures import MultiDict

# Fields that a form has once for each picture: their values become the lines of one text.
LINES = ("picture", "alt", "credit")


def first_values(form: Mapping[str, str]) -> dict[str, str]:
    """The first value of each field, of `LINES` all of them.

    In this form the values survive a login, a question or an error page.
    """
    if not isinstance(form, MultiDict):
        return dict(form)
    first = {name: values[0] for name, values in form.lists()}
    for name in LINES:
        if name in first:
            first[name] = "\n".join(form.getlist(name))
    return first


def lines(value: str) -> list[str]:
    """The values of a field of `LINES`; none of an empty text."""
    return value.replace("\r\n", "\n").split("\n") if value else []
