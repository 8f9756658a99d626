"""Functions and filters of the templates."""

from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from babel.numbers import get_group_symbol
from flask import Flask, url_for
from markupsafe import Markup

from config.settings import Settings
from models.tables.ledger import DeliveryState, RecipientState
from models.tables.stories import Entry, EntryState, Importance
from models.text.markdown import with_absolute_links
from models.text.texts import direction
from notifier.reports.delivery_report import notice_title
from web import dates, diff, structured_data
from web.desk.labels import label
from web.desk.mailbox_pages import caught_folder
from web.language import page_language, reason, said, written
from web.links import entry_url, feeds_of, page_url, site_url
from web.login import current_account, may_publish
from web.public.theme import theme_url
from web.url_converters import CONVERTERS

_YEAR_SECONDS = 365 * 24 * 3600


def set_up_templates(app: Flask, settings: Settings) -> None:
    """Register functions and filters of templates, and converters of routes."""
    app.url_map.converters.update(CONVERTERS)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = _YEAR_SECONDS  # links have a digest
    digests = {}
    for path in Path(str(app.static_folder)).iterdir():
        digests[path.name] = sha256(path.read_bytes()).hexdigest()[:12]

    def asset(name: str) -> str:
        return url_for("static", filename=name, v=digests[name])

    app.jinja_env.globals.update(
        settings=settings,
        version=version("storywire"),
        asset=asset,
        account=current_account,
        may_publish=may_publish,
        mail_is_caught=lambda: caught_folder() is not None,
        written=written,
        feeds_of=feeds_of,
        page_url=page_url,
        site_url=site_url,
        machines=structured_data,
        theme_url=theme_url,
        logo=app.extensions["logo"],
        dates=dates,
        diff=diff,
        DeliveryState=DeliveryState,
        RecipientState=RecipientState,
        direction=direction,
        EntryState=EntryState,
        Importance=Importance,
    )
    app.jinja_env.filters.update(
        by_day=dates.by_day,
        digest=digest,
        entry_html=entry_html,
        label=label,
        link_host=link_host,
        notice_title=notice_title,
        reason=reason,
        said=said,
        sentence=sentence,
        thousands=thousands,
    )


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]


def link_host(url: str) -> str:
    """The host of a link, for display."""
    return (urlsplit(url).hostname or url).removeprefix("www.")


def entry_html(entry: Entry) -> Markup:
    """The text of an entry for any page: links are relative to the entry's own page."""
    url = entry_url(entry.stream.slug, entry.uid)
    return Markup(with_absolute_links(entry.body_html, url))  # noqa: S704  sanitised


def thousands(number: int) -> str:
    """1,234, with the separator of the page's language."""
    return f"{number:,}".replace(",", get_group_symbol(page_language()))


def sentence(text: str) -> str:
    """The text with a capital first letter; `str.capitalize` would change the others, too."""
    return text[:1].upper() + text[1:]
