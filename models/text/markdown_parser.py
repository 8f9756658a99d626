"""The parser of Markdown with our rules: what a text may cost, which addresses are linked, how
lists are numbered.
"""

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock, table
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode
from markdown_it.utils import EnvType, OptionsDict

from config.languages import mark
from models.text.bare_addresses import address_in_markdown
from models.text.errors import Invalid

# What a text may cost, counted and not timed, so that it is taken everywhere or nowhere.  The
# parser's
# cost is linear in these; all of them together are under a second, of which a newspaper page takes
# 1 %.
MAX_STEPS = 50_000
"""Lines that the block parser tries, and places that the inline parser stops at."""
MAX_NESTING = 12
"""Levels of blocks: a quotation is one, a list two.  The parser silently drops blocks beyond 20."""
MAX_TABLE_COLUMNS = 30
MAX_LINK_CHARACTERS = 500_000
"""Characters of all addresses: one that is defined once may be linked ten thousand times."""

# Of the schemes that browsers may hand to another program (HTML section 8.3.1) those that readers
# of news follow.
SCHEMES = {"http", "https", "mailto", "tel", "sms", "geo", "xmpp"}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")  # RFC 3986 section 3.1


def _spend(state: StateBlock | StateInline, steps: int = 1) -> None:
    state.env["steps"] = state.env.get("steps", 0) + steps
    if state.env["steps"] > MAX_STEPS:
        _refuse(state, mark("this text is too complex. Use fewer lines and links, or split it."))


def _refuse(state: StateBlock | StateInline | StateCore, reason: str, **values: str) -> None:
    raise Invalid(state.env["field"], reason, **values)


def _bounded_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: ARG001
    """Count a line, or in a table a row with its cells, and stop at what is nested too deep."""
    if state.level > MAX_NESTING:
        _refuse(
            state,
            mark("use fewer levels of lists and quotations: at most %(most)s."),
            most=str(MAX_NESTING // 2),
        )
    _spend(state, state.env["columns"] if state.parentType == "table" else 1)
    return False


def _bounded_inline(state: StateInline, silent: bool) -> bool:  # noqa: ARG001
    _spend(state)
    return False


def _bounded_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Each row is filled up to as many cells as the head has, which may be thousands of times what
    was typed.
    """
    if not silent and table(state, start, end, True):
        columns = state.src.count("|", state.bMarks[start + 1], state.eMarks[start + 1]) + 1
        if columns > MAX_TABLE_COLUMNS:
            _refuse(
                state, mark("use at most %(most)s columns in a table."), most=str(MAX_TABLE_COLUMNS)
            )
        state.env["columns"] = columns
    return table(state, start, end, silent)


def _bounded_links(state: StateCore) -> None:
    links = (
        child
        for token in state.tokens
        for child in token.children or ()
        if child.type == "link_open"
    )
    if (
        sum(len(str(value)) for link in links for value in link.attrs.values())
        > MAX_LINK_CHARACTERS
    ):
        _refuse(state, mark("link the long addresses less often."))


def _headings_below_the_title(state: StateCore) -> None:
    """On a story's page the title of an entry is an h3 below story and day, so its text begins with
    h4.
    """
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + 3, 6)}"


def _numbers_as_written(state: StateCore) -> None:
    """Let the items of a list have the numbers that were typed, if no two of them are alike.

    Markdown counts on from the first number (CommonMark section 5.3), so that "12. April" and "14.
    April" would become the 12th and the 13th. Where a number stands twice, counting on is meant.
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
    """Whether ``url`` is relative or of a scheme that is linked; else what was typed is shown as it
    is.
    """
    scheme = _SCHEME.match(url)
    return scheme is None or scheme[1].lower() in SCHEMES


def _cell(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """A cell's alignment as a class: the policy of our pages forbids styles."""
    alignment = str(tokens[index].attrs.pop("style", "")).removeprefix("text-align:")
    if alignment:
        tokens[index].attrs["class"] = alignment
    return renderer.renderToken(tokens, index, options, env)


# Raw HTML is shown as text.  Pictures are stored and checked apart from the text, so none is
# fetched from elsewhere.
_markdown = (
    MarkdownIt("commonmark", {"html": False})
    .enable(["table", "strikethrough", "linkify"])
    .disable("image")
)
_markdown.validateLink = _may_link  # type: ignore[method-assign]
_markdown.add_render_rule("th_open", _cell)
_markdown.add_render_rule("td_open", _cell)
_markdown.core.ruler.push("links", _bounded_links)
_markdown.core.ruler.push("headings", _headings_below_the_title)
_markdown.core.ruler.push("numbers", _numbers_as_written)
_markdown.block.ruler.before(
    "table", "bounds", _bounded_block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
)
_markdown.block.ruler.at("table", _bounded_table, {"alt": ["paragraph", "reference"]})
_markdown.inline.ruler.at("linkify", _web_address)
_markdown.inline.ruler.before("text", "bounds", _bounded_inline)


def render(text: str, field: str) -> str:
    """HTML of Markdown, not sanitised yet; raises Invalid, for ``field``, where it would cost too
    much.
    """
    return str(_markdown.render(text, {"field": field}))


def parse(text: str) -> SyntaxTreeNode:
    """The syntax tree of a text; raises Invalid where it would cost too much."""
    return SyntaxTreeNode(_markdown.parse(text, {"field": "body"}))


def normal_link(address: str) -> str:
    """``address`` as it stands in a link of the HTML."""
    return _markdown.normalizeLink(address)
