"""Markdown to HTML that is safe on our pages, in feeds and in mail."""

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape, unescape
from urllib.parse import urljoin

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock, table
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode
from markdown_it.utils import EnvType, OptionsDict

from models.bare_addresses import address_in_markdown
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
    "a", "blockquote", "br", "code", "em", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
# Of the schemes that browsers may hand to another program (HTML section 8.3.1) those that readers of news follow.
_SCHEMES = {"http", "https", "mailto", "tel", "sms", "geo", "xmpp"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")  # RFC 3986 section 3.1
_ALIGNMENTS = {"left", "center", "right"}


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


def _numbers_as_written(state: StateCore) -> None:
    """Let the items of a list have the numbers that were typed, if no two of them are alike.

    Markdown counts on from the first number (CommonMark section 5.3), so that "12. April" and "14. April"
    would become the 12th and the 13th.  Where a number stands twice, counting on is meant.
    """
    lists: list[list[Token]] = []
    for token in state.tokens:
        if token.type == "ordered_list_open":
            lists.append([])
        elif token.type == "list_item_open" and token.info:
            lists[-1].append(token)
        elif token.type == "ordered_list_close":
            items = lists.pop()
            numbers = [int(item.info) for item in items]
            if len(set(numbers)) == len(numbers):
                for item, number, expected in zip(items[1:], numbers[1:], numbers, strict=False):
                    if number != expected + 1:
                        item.attrSet("value", str(number))


def _web_address(state: StateInline, silent: bool) -> bool:
    """Link a bare web address, by GFM's extended URL autolinks; never within a link's text."""
    if silent or state.linkLevel or not state.src.startswith("://", state.pos):
        return False
    scheme = next((name for name in ("https", "http") if state.pending.lower().endswith(name)), "")
    url = address_in_markdown(state.src, state.pos - len(scheme)) if scheme else ""
    if not url:
        return False
    typed = url.replace("&amp;", "&")
    state.pending = state.pending[: -len(scheme)]
    state.push("link_open", "a", 1).attrs = {"href": state.md.normalizeLink(typed)}
    state.push("text", "", 0).content = typed
    state.push("link_close", "a", -1)
    state.pos += len(url) - len(scheme)
    return True


def _may_link(url: str) -> bool:
    """Whether ``url`` is relative or of a scheme that is linked; else what was typed is shown as it is."""
    scheme = _SCHEME.match(url)
    return scheme is None or scheme[1].lower() in _SCHEMES


def _cell(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """A cell's alignment as a class: the policy of our pages forbids styles."""
    alignment = str(tokens[index].attrs.pop("style", "")).removeprefix("text-align:")
    if alignment:
        tokens[index].attrs["class"] = alignment
    return renderer.renderToken(tokens, index, options, env)


# Raw HTML is shown as text.  Pictures are stored and checked apart from the text, so none is fetched from elsewhere.
_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough", "linkify"]).disable("image")
_markdown.validateLink = _may_link  # type: ignore[method-assign]
_markdown.add_render_rule("th_open", _cell)
_markdown.add_render_rule("td_open", _cell)
_markdown.core.ruler.push("links", _bounded_links)
_markdown.core.ruler.push("headings", _headings_below_the_title)
_markdown.core.ruler.push("numbers", _numbers_as_written)
_markdown.block.ruler.before("table", "bounds", _bounded_block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
_markdown.block.ruler.at("table", _bounded_table, {"alt": ["paragraph", "reference"]})
_markdown.inline.ruler.at("linkify", _web_address)
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
        attributes={"a": {"href"}, "ol": {"start"}, "li": {"value"}},
        allowed_classes={"th": _ALIGNMENTS, "td": _ALIGNMENTS},
        url_schemes=_SCHEMES,
        link_rel="noopener",
    ).strip()


@lru_cache(maxsize=128)  # several parts of a page, a mail and its channels say the same
def to_text(text: str, page_url: str | None = None) -> str:
    """Plain text of Markdown, which says what its HTML says: numbers, rows, quotations, what is struck out.

    Relative links start at ``page_url``; without one no link is named, for search and summaries.  A text
    from before there were bounds, which would cost too much, is returned as it was typed.
    """
    try:
        tokens = _markdown.parse(text, {"field": "body"})
    except Invalid:
        return text
    return "\n\n".join(_block(node, page_url) for node in SyntaxTreeNode(tokens).children)


def _block(node: SyntaxTreeNode, page_url: str | None) -> str:
    match node.type:
        case "bullet_list" | "ordered_list":
            return _list(node, page_url)
        case "blockquote":
            quoted = "\n\n".join(_block(child, page_url) for child in node.children)
            return "\n".join(f"> {line}".rstrip() for line in quoted.split("\n"))
        case "fence" | "code_block":
            return node.content.rstrip("\n")
        case "hr":
            return "---"
        case "table":
            rows = (row for part in node.children for row in part.children)
            return "\n".join(" | ".join(_inline(cell, page_url) for cell in row.children) for row in rows)
        case _:
            return _inline(node, page_url)


def _list(node: SyntaxTreeNode, page_url: str | None) -> str:
    number = int(node.attrs.get("start", 1))
    items = []
    tight = True
    for item in node.children:
        number = int(item.attrs.get("value", number))
        marker = f"{number}. " if node.type == "ordered_list" else "- "
        number += 1
        close = all(child.hidden for child in item.children if child.type == "paragraph")
        tight = tight and close
        blocks = ("\n" if close else "\n\n").join(_block(child, page_url) for child in item.children)
        items.append(marker + blocks.replace("\n", "\n" + " " * len(marker)).replace("\n" + " " * len(marker) + "\n", "\n\n"))
    return ("\n" if tight else "\n\n").join(items)


def _inline(node: SyntaxTreeNode, page_url: str | None) -> str:
    match node.type:
        case "text" | "code_inline":
            return node.content
        case "softbreak":
            return " "
        case "hardbreak":
            return "\n"
    words = "".join(_inline(child, page_url) for child in node.children)
    if node.type == "s":
        return f"~~{words}~~"
    if node.type != "link" or page_url is None:
        return words
    href = joined(page_url, str(node.attrs["href"]))
    shown = href.partition(":")[2] if href.startswith(("mailto:", "tel:", "sms:")) else href
    if words in (shown, href) or _markdown.normalizeLink(words) == href:
        return shown
    return f"{words} ({shown})"


# The sanitiser writes links in this form alone.
_RELATIVE_LINK = re.compile(r'(<a href=")(?![A-Za-z][A-Za-z0-9+.-]*:)([^"]*)')


def with_absolute_links(html: str, page_url: str) -> str:
    """Sanitised ``html`` whose links start at ``page_url`` (RFC 3986 section 5.1): elsewhere, relative ones lead nowhere."""
    return _RELATIVE_LINK.sub(lambda link: link[1] + escape(joined(page_url, unescape(link[2]))), html)


def joined(page_url: str, address: str) -> str:
    """``address`` as it is meant on a page; itself where no browser could follow it, such as //[::1."""
    try:
        return urljoin(page_url, address)
    except ValueError:
        return address


def bare_text(html: str) -> str:
    """The words of HTML and nothing else."""
    return unescape(nh3.clean(html, tags=set()))
