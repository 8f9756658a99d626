"""The HTML that an entry carries in every format."""

from html import escape

from feeds.document import FeedEntry


def title_of(entry: FeedEntry) -> str:
    """The title; where there is none its dek or address, since Atom demands one (RFC 4287 section 4.1.2)."""
    return entry.title.strip() or entry.dek.strip() or entry.url


def link_of(entry: FeedEntry) -> str | None:
    """The page elsewhere, if it is a web address: a reader would follow any other scheme as willingly."""
    return entry.link if entry.link and entry.link.startswith(("http://", "https://")) else None


def summary_html(entry: FeedEntry) -> str:
    """The dek as HTML, which RSS readers take a description for."""
    return escape(entry.dek.strip(), quote=False)


def content_html(entry: FeedEntry) -> str:
    """The note first, then the body, or the dek where there is no body, then the link out; "" if there is none of them.

    Readers that show the content leave out the summary, so a bodiless entry would look empty without its dek.
    """
    note = f"<p><strong>{escape(entry.note.label)}:</strong> {escape(entry.note.text, quote=False)}</p>" if entry.note else ""
    dek = summary_html(entry)
    text = entry.content_html.strip() or (f"<p>{dek}</p>" if dek else "")
    link = link_of(entry)
    onward = f'<p><a href="{escape(link)}">{escape(link, quote=False)}</a></p>' if link else ""
    return "\n".join(part for part in (note, text, onward) if part)
