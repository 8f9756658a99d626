"""The HTML that an entry carries in every format."""

from html import escape

from feeds.document import FeedEntry, Image
from models.markdown import to_text
from models.shortening import cluster_start

SUMMARY = 300
"""Characters that stand for the dek of an entry that has none, at most."""


def title_of(entry: FeedEntry) -> str:
    """The title; where there is none its dek or address, since Atom demands one (RFC 4287 section 4.1.2)."""
    return entry.title.strip() or entry.dek.strip() or entry.url


def link_of(entry: FeedEntry) -> str | None:
    """The page elsewhere, if it is a web address: a reader would follow any other scheme as willingly."""
    return entry.link if entry.link and entry.link.startswith(("http://", "https://")) else None


def beginning(text: str) -> str:
    """The first words of Markdown, on one line."""
    line = " ".join(to_text(text).split())
    return line if len(line) <= SUMMARY else line[: cluster_start(line, SUMMARY)].rsplit(" ", 1)[0].rstrip(",;:–-") + " …"


def summary_html(entry: FeedEntry) -> str:
    """The dek as HTML, which RSS readers take a description for; where there is none an entry with pictures begins in its place.

    feedparser takes the description of a picture for a second one of the entry, and the text, which stands in the
    description where there is no other, would be lost on all who read by it.
    """
    spoken = entry.dek.strip() or (entry.images and (entry.beginning or entry.images[0].alt)) or ""
    return escape(spoken, quote=False)


def content_html(entry: FeedEntry) -> str:
    """The note first, then the lead image, the body, or the dek where there is no body, the link out; "" if there is none.

    Readers that show the content leave out the summary, so a bodiless entry would look empty without its dek.
    """
    note = f"<p><strong>{escape(entry.note.label)}:</strong> {escape(entry.note.text, quote=False)}</p>" if entry.note else ""
    dek = escape(entry.dek.strip(), quote=False)
    lead = figure_html(entry.images[0]) if entry.images else ""
    text = entry.content_html.strip() or (f"<p>{dek}</p>" if dek else "")
    link = link_of(entry)
    onward = f'<p><a href="{escape(link)}">{escape(link, quote=False)}</a></p>' if link else ""
    return "\n".join(part for part in (note, lead, text, onward) if part)


def figure_html(image: Image) -> str:
    """The picture with its credit: not every reader shows what a feed names beside the content."""
    credit = f"<figcaption>{escape(image.credit, quote=False)}</figcaption>" if image.credit else ""
    size = f'width="{image.width}" height="{image.height}"'
    return f'<figure><img src="{escape(image.url)}" alt="{escape(image.alt)}" {size}>{credit}</figure>'
