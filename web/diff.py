"""Changes between two texts, word by word, as HTML."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from markupsafe import Markup

_MAX_CHARACTERS = 30_000  # of both texts: the cost grows with the square of the words
_AUTOJUNK_PARTS = 200  # from so many parts on difflib ignores frequent ones
_MAX_PAIRS = 200_000  # of parts that are compared below that
_WORD = re.compile(r"\s+|\w+|[^\w\s]+")


def words(former: str, present: str) -> Markup:
    """``present`` with additions in ins and removals in del."""
    former_words = _WORD.findall(former)
    present_words = _WORD.findall(present)
    html = Markup()
    for tag, old_start, old_end, new_start, new_end in _steps(former_words, present_words):
        removed = "".join(former_words[old_start:old_end])
        added = "".join(present_words[new_start:new_end])
        if tag == "equal" or not (removed.strip() or added.strip()):
            html += added
            continue
        if removed.strip():
            html += Markup("<del>{}</del>").format(removed)
            html += " " if added.strip() else ""
        if added.strip():
            html += Markup("<ins>{}</ins>").format(added)
        else:
            html += added
    return html


def paragraphs(former: str, present: str) -> list[Markup]:
    """The paragraphs that differ, each as by `words`; a sentence if the texts are too long."""
    if former == present:
        return []
    if len(former) + len(present) > _MAX_CHARACTERS:
        return [Markup("The text changed; it is too long to be compared here.")]
    old = former.split("\n\n")
    new = present.split("\n\n")
    changed = []
    for tag, old_start, old_end, new_start, new_end in _steps(old, new):
        if tag != "equal":
            removed = "\n\n".join(old[old_start:old_end])
            added = "\n\n".join(new[new_start:new_end])
            changed.append(words(removed, added))
    return changed


def _steps(a: Sequence[str], b: Sequence[str]) -> Iterable[tuple[str, int, int, int, int]]:
    """The opcodes of difflib from ``a`` to ``b``; one replacement where that could take seconds.

    From 200 parts on difflib ignores frequent ones, which keeps it fast.  With fewer it does not,
    and a text that repeats a word a thousand times would occupy a thread for minutes.
    """
    if len(b) < _AUTOJUNK_PARTS and len(a) * len(b) > _MAX_PAIRS:
        return [("replace", 0, len(a), 0, len(b))]
    return SequenceMatcher(None, a, b).get_opcodes()


def contents(former: Mapping[str, Any], present: Mapping[str, Any]) -> list[Markup]:
    """The changes between two revisions, in the order in which a page shows them."""
    changed = []
    for name in ("title", "dek", "body"):
        changed += paragraphs(former[name], present[name])
    for name in ("tags", "importance", "link"):
        if former[name] != present[name]:
            difference = words(_one_line(former[name]), _one_line(present[name]))
            changed.append(Markup("{}: {}").format(name.capitalize(), difference))
    old_pictures = _picture_texts(former)
    new_pictures = _picture_texts(present)
    if old_pictures != new_pictures:
        changed.append(Markup("Pictures: {}").format(words(old_pictures, new_pictures)))
    if former["byline"] != present["byline"]:
        changed.append(Markup("The byline changed."))
    return changed


def _one_line(value: str | list[str]) -> str:
    return ", ".join(value) if isinstance(value, list) else value


def _picture_texts(text: Mapping[str, Any]) -> str:
    return " · ".join(picture["alt"] for picture in text.get("pictures", []))
