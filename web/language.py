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
    # Faster than Jinja's own functions: a page has about a hundred translated texts.
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
    text_direction = direction(language)
    page_direction = direction(page_language())
    attributes = Markup('lang="{}" dir="{}"').format(language, text_direction)
    if text_direction != page_direction:
        attributes += Markup(' data-words="{}"').format(page_direction)
    return attributes


def at_desk() -> bool:
    """Whether this request is for a page of the desk or the log-in."""
    return request.path.startswith(("/desk", "/login"))


def said(error: ServiceError) -> str:
    """The sentence of an error in the language of the page, with the name of a refused field."""
    sentence: str = gettext(error.sentence, **error.values)
    if isinstance(error, Invalid):
        return f"{gettext(error.label)}: {sentence}"
    return sentence


def reason(error: ServiceError) -> str:
    """The sentence of an error for beside its field, without the field's name."""
    return _begun(gettext(error.sentence, **error.values))


def field_errors(error: ServiceError | None) -> dict[str, str]:
    """The sentence to show beside the refused field of a form; empty if no field was refused."""
    if not isinstance(error, Invalid):
        return {}
    return {error.field.replace("e-mail", "email"): reason(error)}


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _words(text: str, **values: object) -> Markup:
    """The translation of a template's text, with values filled in."""
    return _fill_in(_markup(page_language(), text), values)


def _words_of(context: str, text: str, **values: object) -> Markup:
    return _fill_in(_markup(page_language(), text, context), values)


def _words_for(singular: str, plural: str, number: int, **values: object) -> Markup:
    text = catalog(page_language()).ungettext(singular, plural, number)
    return Markup(text) % {"num": number, **values}  # noqa: S704  our own text


def _fill_in(text: Markup, values: dict[str, object]) -> Markup:
    # Without values a percent sign stands for itself.
    if values:
        return text % values
    return text


@cache
def _markup(language: str, text: str, context: str = "") -> Markup:
    translations = catalog(language)
    if context:
        return Markup(translations.upgettext(context, text))  # noqa: S704  our own text
    return Markup(translations.ugettext(text))  # noqa: S704  our own text


class _Catalogs(Domain):  # type: ignore[misc]
    """The product's catalogs, in place of Flask-Babel's: those need compiled files beside the
    sources and follow the browser's language.
    """

    def get_translations(self) -> NullTranslations:
        return catalog(page_language())
