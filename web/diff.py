"""What changed between two texts, word by word, as HTML."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from markupsafe import Markup

_LONGEST = 30_000  # characters of both: comparing costs the square of the words
# parts from which difflib passes over frequent ones; pairs that are compared below that
_FEW, _MOST_PAIRS = 200, 200_000
_WORD = re.compile(r"\s+|\w+|[^\w\s]+")


def words(former: str, present: str) -> Markup:
    """``present`` with what is new in ins and what is gone in del."""
    a, b = _WORD.findall(former), _WORD.findall(present)
    out = Markup()
    for tag, a1, a2, b1, b2 in _steps(a, b):
        if tag == "equal":
            out += "".join(b[b1:b2])
            continue
        gone, new = "".join(a[a1:a2]), "".join(b[b1:b2])
        if gone.strip():
            out += Markup("<del>{}</del>").format(gone) + (" " if new.strip() else "")
        out += Markup("<ins>{}</ins>").format(new) if new.strip() else new
    return out


def paragraphs(former: str, present: str) -> list[Markup]:
    """The paragraphs that differ, each as by `words`; a sentence instead where the texts are too
    long to compare.
    """
    if former == present:
        return []
    if len(former) + len(present) > _LONGEST:
        return [Markup("The text changed; it is too long to be compared here.")]
    a, b = former.split("\n\n"), present.split("\n\n")
    changed = []
    for tag, a1, a2, b1, b2 in _steps(a, b):
        if tag != "equal":
            changed.append(words("\n\n".join(a[a1:a2]), "\n\n".join(b[b1:b2])))
    return changed


def _steps(a: Sequence[str], b: Sequence[str]) -> Iterable[tuple[str, int, int, int, int]]:
    """How ``b`` came from ``a``, as difflib's opcodes; one replacement where finding out could take
    seconds.

    Beside 200 parts and more difflib takes frequent ones for no sign of what belongs together,
    which keeps it quick; beside fewer it does not, and a text that repeats one word a thousand
    times would hold a thread for minutes.
    """
    if len(b) < _FEW and len(a) * len(b) > _MOST_PAIRS:
        return [("replace", 0, len(a), 0, len(b))]
    return SequenceMatcher(None, a, b).get_opcodes()


def contents(former: Mapping[str, Any], present: Mapping[str, Any]) -> list[Markup]:
    """What changed between two revisions, in the order in which a page shows it."""
    changed = [
        part
        for name in ("title", "dek", "body")
        for part in paragraphs(former[name], present[name])
    ]
    for name in ("tags", "importance", "link"):
        old, new = (
            ", ".join(value) if isinstance(value, list) else value
            for value in (former[name], present[name])
        )
        if old != new:
            changed.append(Markup("{}: {}").format(name.capitalize(), words(old, new)))
    old, new = (
        " · ".join(one["alt"] for one in text.get("pictures", [])) for text in (former, present)
    )
    if old != new:
        changed.append(Markup("Pictures: {}").format(words(old, new)))
    if former["byline"] != present["byline"]:
        changed.append(Markup("The byline changed."))
    return changed
