"""Texts that cost a careless parser the square of their length, each as a function of how long it
is to be.
"""

from collections.abc import Callable


def _repeated(part: str, before: str = "", after: str = "") -> Callable[[int], str]:
    return lambda length: (
        before + part * ((length - len(before) - len(after)) // len(part) + 1) + after
    )


_TABLE = "a|b|c|d|e|f\n-|-|-|-|-|-\n"

SHAPES: dict[str, Callable[[int], str]] = {
    "blanks": _repeated(" ", "x", "x"),
    "tabs": _repeated("\t", "x", "x"),
    "line ends": _repeated("\n", "x", "x"),
    "lines of blanks": _repeated(" \n", "x", "x"),
    "opening brackets": _repeated("["),
    "closing brackets": _repeated("]"),
    "nested brackets": lambda length: "[" * (length // 2) + "]" * (length // 2),
    "brackets and emphasis": _repeated("*[a"),
    "pictures": _repeated("!["),
    "links": _repeated("[a](b) "),
    "links begun": _repeated("[a]("),
    "links unclosed": _repeated("[a](b"),
    "link with parentheses": _repeated("(", "[a]("),
    "titles unclosed": _repeated('[a](b "'),
    "labels": _repeated("[a][b]"),
    "references": _repeated("[1]", "[1]: https://example.org/\n\n"),
    "references unclosed": _repeated('[a]: b "\n'),
    "stars": _repeated("*"),
    "stars in words": _repeated("a**a*"),
    "stars before words": _repeated("*a "),
    "stars of two kinds": _repeated("*a**b"),
    "stars and lines": _repeated("*_"),
    "crossed emphasis": _repeated("*a _b"),
    "emphasis": _repeated("*a*"),
    "underscores": _repeated("_a_"),
    "underscores in a word": _repeated("_", "a", "a"),
    "struck out": _repeated("~~a "),
    "tildes": _repeated("~"),
    "backticks": _repeated("`"),
    "code": _repeated("`a` "),
    "code unclosed": _repeated("` a `` "),
    "backslashes": _repeated("\\"),
    "backslashes and lines": _repeated("\\\n"),
    "entities": _repeated("&amp;"),
    "ampersands": _repeated("&"),
    "angles": _repeated("<"),
    "addresses in angles": _repeated("<http://a>"),
    "addresses in angles unclosed": _repeated("<a@"),
    "bare addresses": _repeated("http://a.b "),
    "bare addresses begun": _repeated("http://"),
    "one bare address": _repeated("a)", "https://example.org/("),
    "one bare address and points": _repeated(".", "https://example.org/a"),
    "schemes": _repeated("a:"),
    "comments": _repeated("<!--"),
    "tags": _repeated("<a "),
    "instructions": _repeated("<?"),
    "numbers": _repeated("1. a\n"),
    "numbers nested": _repeated("1. "),
    "points": _repeated("- a\n"),
    "points apart": _repeated("- a\n\n"),
    "points nested": _repeated("- - - - a\n"),
    "dashes": _repeated("- "),
    "quotations": _repeated("> a\n"),
    "quotations empty": _repeated(">\n"),
    "quotations nested": _repeated(">"),
    "quotation continued": _repeated("b\n", "> " * 10 + "a\n"),
    "fences": _repeated("```\n"),
    "fences of two kinds": _repeated("```\na\n~~~\n"),
    "indented": _repeated("    a\n"),
    "rules": _repeated("---\n"),
    "headings": _repeated("# a\n"),
    "headings underlined": _repeated("a\n=\n"),
    "heading without end": _repeated("# ", "# a "),
    "paragraphs": _repeated("a\n\n"),
    "lines": _repeated("a\n"),
    "lines broken": _repeated("a  \n"),
    "table": _repeated("a|b|c|d|e|f\n", _TABLE),
    "table of short rows": _repeated("a\n", _TABLE),
    "tables": _repeated("a|b\n-|-\n1|2\n\n"),
    "table rows without a head": _repeated("a|b\n"),
    "signs": _repeated("日本語"),
    "accents": _repeated("\u0301", "e"),
    "words": _repeated("word "),
}

STAIRS: dict[str, Callable[[int], str]] = {
    "points ever deeper": lambda length: "".join(
        "  " * n + "- a\n" for n in range(int(length**0.5))
    ),
    "quotations ever deeper": lambda length: "".join(
        ">" * n + "a\n" for n in range(int((2 * length) ** 0.5))
    ),
    "backticks ever more": lambda length: "".join(
        "a" + "`" * n for n in range(int((2 * length) ** 0.5))
    ),
    "stars ever more": lambda length: "".join(
        "a" + "*" * n for n in range(int((2 * length) ** 0.5))
    ),
    "a long address": lambda length: (
        f"[1]: https://example.org/{'a' * (length // 2)}\n\n" + "[1]" * (length // 6)
    ),
    "wide table": lambda length: (
        "|".join("a" * (length // 4)) + "\n" + "|".join("-" * (length // 4))
    ),
}
"""Whose cost is no function of their length alone."""
