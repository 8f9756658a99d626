"""Markdown to HTML that is safe on our pages, in feeds and in mail, and to plain text.

The parser is imported with the first text, because most commands have none.
"""

import re
from functools import lru_cache
from html import escape, unescape
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import nh3

from models.text.errors import Invalid

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

_TAGS = {
    "a", "blockquote", "br", "code", "em", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ALIGNMENTS = {"left", "center", "right"}


@lru_cache(maxsize=8)  # a text is cleaned by its form and once more where it is stored
def to_html(text: str, field: str = "body") -> str:
    """HTML of ``text``; raw HTML in it comes out as text, and the result is sanitised once more.

    Raises Invalid, for ``field``, where rendering would cost too much.  Not for use within a write
    transaction: it may take a second.
    """
    from models.text.markdown_parser import SCHEMES, render  # noqa: PLC0415

    return nh3.clean(
        render(text, field),
        tags=_TAGS,
        attributes={"a": {"href"}, "ol": {"start"}, "li": {"value"}},
        allowed_classes={"th": _ALIGNMENTS, "td": _ALIGNMENTS},
        url_schemes=SCHEMES,
        link_rel="noopener",
    ).strip()


@lru_cache(maxsize=128)  # several parts of a page, a mail and its channels say the same
def to_text(text: str, page_url: str | None = None) -> str:
    """Plain text of Markdown, which says what its HTML says: numbers, rows, quotations, what is
    struck out.

    Relative links start at ``page_url``; without one no link is named, for search and summaries. A
    text from before there were bounds, which would cost too much, is returned as it was typed.
    """
    from models.text.markdown_parser import parse  # noqa: PLC0415

    try:
        root = parse(text)
    except Invalid:
        return text
    return "\n\n".join(_block(node, page_url) for node in root.children)


def _block(node: "SyntaxTreeNode", page_url: str | None) -> str:
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
            return "\n".join(
                " | ".join(_inline(cell, page_url) for cell in row.children) for row in rows
            )
        case _:
            return _inline(node, page_url)


def _list(node: "SyntaxTreeNode", page_url: str | None) -> str:
    number = int(node.attrs.get("start", 1))
    items = []
    tight = True
    for item in node.children:
        number = int(item.attrs.get("value", number))
        marker = f"{number}. " if node.type == "ordered_list" else "- "
        number += 1
        close = all(child.hidden for child in item.children if child.type == "paragraph")
        tight = tight and close
        blocks = ("\n" if close else "\n\n").join(
            _block(child, page_url) for child in item.children
        )
        items.append(
            marker
            + blocks.replace("\n", "\n" + " " * len(marker)).replace(
                "\n" + " " * len(marker) + "\n", "\n\n"
            )
        )
    return ("\n" if tight else "\n\n").join(items)


def _inline(node: "SyntaxTreeNode", page_url: str | None) -> str:
    match node.type:
        case "text" | "code_inline":
            return node.content
        case "softbreak":
            return " "
        case "hardbreak":
            return "\n"
    content = "".join(_inline(child, page_url) for child in node.children)
    if node.type == "s":
        return f"~~{content}~~"
    if node.type != "link" or page_url is None:
        return content
    from models.text.markdown_parser import normal_link  # noqa: PLC0415

    href = absolute_url(page_url, str(node.attrs["href"]))
    address = href.partition(":")[2] if href.startswith(("mailto:", "tel:", "sms:")) else href
    if content in (address, href) or normal_link(content) == href:
        return address
    return f"{content} ({address})"


# The sanitiser writes links in this form alone.
_RELATIVE_LINK = re.compile(r'(<a href=")(?![A-Za-z][A-Za-z0-9+.-]*:)([^"]*)')


def with_absolute_links(html: str, page_url: str) -> str:
    """Sanitised ``html`` whose links start at ``page_url`` (RFC 3986 section 5.1): elsewhere,
    relative ones lead nowhere.
    """
    return _RELATIVE_LINK.sub(
        lambda link: link[1] + escape(absolute_url(page_url, unescape(link[2]))), html
    )


def absolute_url(page_url: str, address: str) -> str:
    """``address`` as it is meant on a page; itself where no browser could follow it, such as
    //[::1.
    """
    try:
        return urljoin(page_url, address)
    except ValueError:
        return address


def bare_text(html: str) -> str:
    """HTML without its tags."""
    return unescape(nh3.clean(html, tags=set()))
