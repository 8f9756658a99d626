"""Markdown to HTML that is safe on our pages, in feeds and in mail."""

import re
from functools import lru_cache
from html import unescape

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, table
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline

from models.errors import Invalid

# What a text may cost, counted and not timed, so that it is taken everywhere or nowhere.  The parser's
# cost is linear in these; all of them together are under a second, of which a newspaper page takes 1 %.
MAX_STEPS = 50_000
"""Lines that the block parser tries, and places that the inline parser stops at."""
MAX_NESTING = 12
"""Levels of blocks: a quotation is one, a list two.  The parser drops without a word what lies beyond 20."""
MAX_TABLE_COLUMNS = 30
MAX_LINK_CHARACTERS = 500_000
"""Characters of all addresses: one that is defined once may be linked ten thousand times."""

_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


def _spend(state: StateBlock | StateInline, steps: int = 1) -> None:
    state.env["steps"] = state.env.get("steps", 0) + steps
    if state.env["steps"] > MAX_STEPS:
        _refuse(state, "use fewer lines, links and other marks, or divide the text.")


def _refuse(state: StateBlock | StateInline | StateCore, reason: str) -> None:
    raise Invalid(state.env["field"], reason)


def _bounded_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: ARG001  a rule's parameters
    """Count a line, or in a table a row with its cells, and stop at what is nested too deep."""
    if state.level > MAX_NESTING:
        _refuse(state, f"nest lists and quotations less deep: at most {MAX_NESTING // 2} lists in each other.")
    _spend(state, state.env["columns"] if state.parentType == "table" else 1)
    return False


def _bounded_inline(state: StateInline, silent: bool) -> bool:  # noqa: ARG001
    _spend(state)
    return False


def _bounded_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Each row is filled up to as many cells as the head has, which may be thousands of times what was typed."""
    if not silent and table(state, start, end, True):
        columns = state.src.count("|", state.bMarks[start + 1], state.eMarks[start + 1]) + 1
        if columns > MAX_TABLE_COLUMNS:
            _refuse(state, f"use tables of at most {MAX_TABLE_COLUMNS} columns.")
        state.env["columns"] = columns
    return table(state, start, end, silent)


def _bounded_links(state: StateCore) -> None:
    links = (child for token in state.tokens for child in token.children or () if child.type == "link_open")
    if sum(len(str(value)) for link in links for value in link.attrs.values()) > MAX_LINK_CHARACTERS:
        _refuse(state, "link a long address less often.")


def _headings_below_the_title(state: StateCore) -> None:
    """On a story's page the title of an entry is an h3 below story and day, so its text begins with h4."""
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + 3, 6)}"


# Raw HTML is shown as text.  Pictures are stored and checked apart from the text, so none is fetched from elsewhere.
_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
_markdown.core.ruler.push("links", _bounded_links)
_markdown.core.ruler.push("headings", _headings_below_the_title)
_markdown.block.ruler.before("table", "bounds", _bounded_block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
_markdown.block.ruler.at("table", _bounded_table, {"alt": ["paragraph", "reference"]})
_markdown.inline.ruler.before("text", "bounds", _bounded_inline)


@lru_cache(maxsize=8)  # a text is cleaned by its form and once more where it is stored
def to_html(text: str, field: str = "body") -> str:
    """HTML of ``text``; raw HTML in it comes out as text, and the result is sanitised once more.

    Raises Invalid, for ``field``, where rendering would cost too much.  Not for use within a write
    transaction: it may take a second.
    """
    return nh3.clean(
        _markdown.render(text, {"field": field}),
        tags=_TAGS,
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener",
    ).strip()


def to_text(html: str) -> str:
    """Plain text of sanitised HTML, links kept in brackets, paragraphs apart."""
    html = re.sub(r'<a href="([^"]*)"[^>]*>(.*?)</a>', lambda m: m[2] if m[2] == m[1] else f"{m[2]} ({m[1]})", html, flags=re.S)
    html = re.sub(r"<li>\n*(<p>)?", "- ", html)
    html = re.sub(r"</(p|h\d|blockquote|pre|ul|ol|table)>|<hr>", "\n\n", html)
    html = re.sub(r"<br>\n?|</(li|tr)>\n?", "\n", html)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"(?<![ \t])[ \t]+\n", "\n", bare_text(html))).strip()


def bare_text(html: str) -> str:
    """The words of HTML and nothing else."""
    return unescape(nh3.clean(html, tags=set()))
