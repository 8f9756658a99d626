"""The HTML that an entry carries in every format."""

import re
from html import escape, unescape

from feeds.document.feed_document import FeedEntry, Image
from models.text.markdown import absolute_url, to_text
from models.text.shortening import cluster_start, one_line
from models.text.uris import to_uri

MAX_BEGINNING_CHARACTERS = 300  # in place of a dek


def title_of(entry: FeedEntry) -> str:
    """The title, else the dek or address, since Atom requires one (RFC 4287 section 4.1.2)."""
    return entry.title.strip() or entry.dek.strip() or entry.url


def link_of(entry: FeedEntry) -> str | None:
    """The page elsewhere, if it is a web address: readers would follow any other scheme, too."""
    # Links of old entries were stored as they had been typed.
    uri = to_uri(entry.link) if entry.link else None
    return uri if uri and uri.startswith(("http://", "https://")) else None


def beginning(text: str) -> str:
    """The first words of a Markdown text, on one line."""
    line = one_line(to_text(text))
    if len(line) <= MAX_BEGINNING_CHARACTERS:
        return line
    start = line[: cluster_start(line, MAX_BEGINNING_CHARACTERS)]
    return start.rsplit(" ", 1)[0].rstrip(",;:–-") + " …"


def summary_html(entry: FeedEntry) -> str:
    """The dek as HTML, which RSS readers expect in a description.

    An entry with pictures and no dek has the beginning of its text there.  Otherwise feedparser
    would take the description of a picture for that of the entry.
    """
    summary = entry.dek.strip()
    if entry.images and not summary:
        summary = entry.beginning or entry.images[0].alt
    return escape(summary, quote=False)


def content_html(entry: FeedEntry) -> str:
    """Notes, the lead image, the body or else the dek, the other images, the link.

    Few readers show images that are only beside the text.  Readers that show the content leave out
    the summary, so an entry without a body would look empty without its dek.
    """
    parts = []
    for note in entry.notes:
        text = escape(note.text, quote=False)
        parts.append(f"<p><strong>{escape(note.label)}:</strong> {text}</p>")
    figures = [figure_html(image) for image in entry.images]
    parts += figures[:1]
    body = entry.content_html.strip()
    dek = escape(entry.dek.strip(), quote=False)
    if body or dek:
        parts.append(body or f"<p>{dek}</p>")
    parts += figures[1:]
    link = link_of(entry)
    if link:
        parts.append(f'<p><a href="{escape(link)}">{escape(link, quote=False)}</a></p>')
    return "\n".join(parts)


def figure_html(image: Image) -> str:
    """The picture with its credit, since few readers show the credit of Media RSS."""
    credit = f"<figcaption>{escape(image.credit, quote=False)}</figcaption>" if image.credit else ""
    size = f'width="{image.width}" height="{image.height}"'
    return (
        f'<figure><img src="{escape(image.url)}" alt="{escape(image.alt)}" {size}>{credit}</figure>'
    )


_LINK = re.compile(r'<a href="([^"]*)"')  # the only form that the sanitiser writes
_HEADING = re.compile(r"(</?h)([1-6])(?=>)")
TOP_HEADING = 3  # of a text, because readers show the entry's title as an h1 or h2


def for_readers(html: str, page_url: str) -> str:
    """Sanitised ``html`` for another page: links are absolute, headings begin with h3."""
    levels = [int(level) for _, level in _HEADING.findall(html)]
    shift = TOP_HEADING - min(levels, default=TOP_HEADING)
    html = _HEADING.sub(lambda tag: f"{tag[1]}{int(tag[2]) + shift}", html)
    return _LINK.sub(lambda link: _link(absolute_url(page_url, unescape(link[1]))), html)


def _link(address: str) -> str:
    uri = to_uri(address)
    return f'<a href="{escape(uri)}"' if uri else "<a"
