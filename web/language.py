"""The language of a page: of its story, its recipient or the site, never of the browser, since one
copy serves all.  The desk alone, which no cache holds, follows the browser.
"""

from contextlib import suppress
from functools import cache

from babel.support import NullTranslations
from flask import Flask, g, has_request_context, request
from flask_babel import Babel, Domain, gettext  # type: ignore[import-untyped]
from markupsafe import Markup

from config.languages import LANGUAGES, base_language, closest_language
from models.text.errors import Invalid, ServiceError
from models.text.texts import direction
from models.text.translations import catalog, locale
from web.context import service


def set_up_languages(app: Flask) -> None:
    """Let templates say ``_("...")`` and ``ngettext("...", "...", number)``."""
    Babel(app).domain_instance = _Catalogs()
    # Instead of Jinja's own ways, which are long: a page has some hundred words of ours.
    app.jinja_env.globals.update(
        _=_words, pgettext=_words_of, ngettext=_words_for, page_language=page_language
    )


def speak(language: str | None) -> None:
    """Answer this request in that language, where we have it; None: in the site's."""
    base = base_language(language or "")
    if base not in LANGUAGES:
        base = closest_language(service().settings.site_language)
    g.page_language = base


def page_language() -> str:
    """The language in which this request is answered; English outside of one."""
    with suppress(AttributeError, RuntimeError):  # none yet, no application
        return g.page_language  # type: ignore[no-any-return]
    if not has_request_context():
        return "en"
    speak(_browser_language() if at_desk() else None)
    return str(g.page_language)


def _browser_language() -> str:
    """The first of `LANGUAGES` that the browser accepts; ``en-US`` counts as ``en``."""
    accepted = map(base_language, request.accept_languages.values())
    return next((language for language in accepted if language in LANGUAGES), "en")


@cache
def language_names() -> dict[str, str]:
    """Languages that have a translation, each by its own name."""
    names = {code: locale(code).get_language_name() or code for code in LANGUAGES}
    return {code: _begun(name) for code, name in names.items()}


def written(language: str) -> Markup:
    """The attributes of an element in that language; ``data-words`` where our own words in it run
    the other way than its text.
    """
    way, ours = direction(language), direction(page_language())
    attributes = Markup('lang="{}" dir="{}"').format(language, way)
    return attributes if way == ours else attributes + Markup(' data-words="{}"').format(ours)


def at_desk() -> bool:
    """Whether this request is of those who log in."""
    return request.path.startswith(("/desk", "/login"))


def said(error: ServiceError) -> str:
    """What an error says, in the language of the page."""
    sentence: str = gettext(error.sentence, **error.values)
    return f"{gettext(error.label)}: {sentence}" if isinstance(error, Invalid) else sentence


def reason(error: ServiceError) -> str:
    """The sentence of an error for beside its field, without the field's name."""
    return _begun(gettext(error.sentence, **error.values))


def _begun(words: str) -> str:
    return words[:1].upper() + words[1:]


def _words(text: str, **values: object) -> Markup:
    """What a template says, with values put in."""
    found = _markup(page_language(), text)
    return found % values if values else found


def _words_of(context: str, text: str, **values: object) -> Markup:
    found = _markup(page_language(), text, context)
    return found % values if values else found


def _words_for(one: str, many: str, number: int, **values: object) -> Markup:
    return Markup(catalog(page_language()).ungettext(one, many, number)) % {  # noqa: S704  our own words
        "num": number,
        **values,
    }


@cache
def _markup(language: str, text: str, context: str = "") -> Markup:
    known = catalog(language)
    return Markup(known.upgettext(context, text) if context else known.ugettext(text))  # noqa: S704  our own words


class _Catalogs(Domain):  # type: ignore[misc]
    """Ours instead of Flask-Babel's, which wants compiled files beside the sources and asks what a
    browser wants.
    """

    def get_translations(self) -> NullTranslations:
        return catalog(page_language())
