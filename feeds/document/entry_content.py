"""The HTML that an entry carries in every format."""

import re
from html import escape, unescape

from feeds.document.feed_document import FeedEntry, Image
from models.text.markdown import absolute_url, to_text
from models.text.shortening import cluster_start, one_line
from models.text.uris import to_uri

SUMMARY = 300
"""Characters that stand for the dek of an entry that has none, at most."""


def title_of(entry: FeedEntry) -> str:
    """The title; where there is none its dek or address, since Atom demands one (RFC 4287 section
    4.1.2).
    """
    return entry.title.strip() or entry.dek.strip() or entry.url


def link_of(entry: FeedEntry) -> str | None:
    """The page elsewhere, if it is a web address: a reader would follow any other scheme as
    willingly.
    """
    # older entries were stored as they had been typed
    uri = to_uri(entry.link) if entry.link else None
    return uri if uri and uri.startswith(("http://", "https://")) else None


def beginning(text: str) -> str:
    """The first words of Markdown, on one line."""
    line = one_line(to_text(text))
    return (
        line
        if len(line) <= SUMMARY
        else line[: cluster_start(line, SUMMARY)].rsplit(" ", 1)[0].rstrip(",;:–-") + " …"
    )


def summary_html(entry: FeedEntry) -> str:
    """The dek as HTML, which RSS readers take a description for; where there is none an entry with
    pictures begins in its place.

    feedparser takes the description of a picture for a second one of the entry, and the text, which
    stands in the description where there is no other, would be lost on all who read by it.
    """
    spoken = entry.dek.strip() or (entry.images and (entry.beginning or entry.images[0].alt)) or ""
    return escape(spoken, quote=False)


def content_html(entry: FeedEntry) -> str:
    """Notes first, then the lead image, the body, or the dek where there is no body, the other
    images, the link out.

    Few readers show images that stand beside the text alone. Readers that show the content leave
    out the summary, so a bodiless entry would look empty without its dek.
    """
    notes = (
        f"<p><strong>{escape(note.label)}:</strong> {escape(note.text, quote=False)}</p>"
        for note in entry.notes
    )
    dek = escape(entry.dek.strip(), quote=False)
    lead, others = (map(figure_html, images) for images in (entry.images[:1], entry.images[1:]))
    text = entry.content_html.strip() or (f"<p>{dek}</p>" if dek else "")
    link = link_of(entry)
    onward = f'<p><a href="{escape(link)}">{escape(link, quote=False)}</a></p>' if link else ""
    return "\n".join(part for part in (*notes, *lead, text, *others, onward) if part)


def figure_html(image: Image) -> str:
    """The picture with its credit: not every reader shows what a feed names beside the content."""
    credit = f"<figcaption>{escape(image.credit, quote=False)}</figcaption>" if image.credit else ""
    size = f'width="{image.width}" height="{image.height}"'
    return (
        f'<figure><img src="{escape(image.url)}" alt="{escape(image.alt)}" {size}>{credit}</figure>'
    )


_LINK = re.compile(r'<a href="([^"]*)"')  # the sanitiser writes links in this form alone
_HEADING = re.compile(r"(</?h)([1-6])(?=>)")
TOP_HEADING = 3  # of a text: readers show the title of an entry as an h1 or h2


def for_readers(html: str, page_url: str) -> str:
    """Sanitised ``html`` as it can stand anywhere: links are URIs that start at ``page_url``,
    headings begin with h3.
    """
    levels = [int(level) for _, level in _HEADING.findall(html)]
    up = min(levels, default=TOP_HEADING) - TOP_HEADING
    html = _HEADING.sub(lambda tag: f"{tag[1]}{int(tag[2]) - up}", html)
    return _LINK.sub(lambda link: _link(absolute_url(page_url, unescape(link[1]))), html)


def _link(address: str) -> str:
    uri = to_uri(address)
    return f'<a href="{escape(uri)}"' if uri else "<a"
