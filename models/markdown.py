"""Markdown to HTML that is safe on our pages, in feeds and in mail."""

import re
from html import unescape

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore

_TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip


def _headings_below_the_title(state: StateCore) -> None:
    """An entry's title is a heading of the page already: the body's begin two levels below."""
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + 3, 6)}"


# Raw HTML is shown as text.  Pictures are stored and checked apart from the text, so none is fetched from elsewhere.
_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
_markdown.core.ruler.push("headings", _headings_below_the_title)


def to_html(text: str) -> str:
    """HTML of ``text``; raw HTML in it comes out as text, and the result is sanitised once more."""
    return nh3.clean(
        _markdown.render(text),
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
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", bare_text(html))).strip()


def bare_text(html: str) -> str:
    """The words of HTML and nothing else."""
    return unescape(nh3.clean(html, tags=set()))
