"""Mail and chat templates: an operator's own in DATA_DIR/templates, else the shipped ones.

Where an operator's template fails, the shipped one replaces it and the fault is logged once.
"""

import logging
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    pass_context,
    select_autoescape,
)
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from models.text.translations import catalog

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).parents[1] / "templates"


class BrokenTemplate(TemplateError):
    """A template's text lacks a required link."""


class Templates:
    """``own``: the operator's folder, if any. ``report`` gets each fault in it once."""

    def __init__(
        self, own: Path | None = None, report: Callable[[str], object] | None = None
    ) -> None:
        self._own = own
        self._report = report or _log
        self._reported: set[str] = set()
        self._shipped = _environment(FileSystemLoader(SHIPPED))
        self._loader = _OwnFirst(own) if own else None
        self._mixed = _environment(self._loader) if self._loader else None

    def render(
        self,
        name: str,
        values: Mapping[str, Any],
        *,
        holding: str = "",
        finish: Callable[[str], str] = str,
    ) -> str:
        """Render a template; a text without ``holding`` counts as broken.

        ``finish`` is applied to the text; an error that it raises is the template's fault.
        """
        if self._mixed is not None:
            try:
                return finish(_render(self._mixed, name, values, holding))
            except Exception as exc:  # an operator's template may raise anything
                self._report_once(name, exc)
        return finish(_render(self._shipped, name, values, holding))

    def unused(self) -> list[str]:
        """The operator's files that no template has used so far."""
        if self._own is None or self._loader is None or not self._own.is_dir():
            return []
        files = (
            str(path.relative_to(self._own)) for path in self._own.rglob("*") if path.is_file()
        )
        return sorted(set(files) - self._loader.requested)

    def _report_once(self, name: str, exc: Exception) -> None:
        where = _where(exc, self._own) if self._own else ""
        fault = f"{where or f'templates/{name}'}: {exc or type(exc).__name__}"
        if fault not in self._reported:
            self._reported.add(fault)
            self._report(fault)


@cache
def templates_in(own: Path) -> Templates:
    """Templates of a folder, each compiled once a process."""
    return Templates(own)


class _OwnFirst(FileSystemLoader):
    """Unlike ChoiceLoader, notices an own template added after the shipped one was used."""

    def __init__(self, own: Path) -> None:
        super().__init__([own, SHIPPED])
        self.requested: set[str] = set()
        self._own = own

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        self.requested.add(template)
        own = self._own / template
        try:
            source, file, unchanged = super().get_source(environment, template)
        except (PermissionError, UnicodeDecodeError) as exc:
            raise TemplateSyntaxError(f"cannot be read: {exc}", 1, template, str(own)) from exc
        if not Path(file).is_relative_to(SHIPPED):
            return source, file, unchanged
        return source, file, lambda: unchanged() and not own.is_file()


def _log(fault: str) -> None:
    log.warning("%s; the shipped template is used in its place", fault)


def _environment(loader: FileSystemLoader) -> Environment:
    env = ImmutableSandboxedEnvironment(
        extensions=["jinja2.ext.i18n"],
        loader=loader,
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["paragraphs"] = _paragraphs
    env.install_gettext_callables(_gettext, _ngettext, newstyle=True)  # type: ignore[attr-defined]
    return env


@pass_context
def _gettext(context: Context, text: str) -> str:
    return catalog(context["language"]).gettext(text)


@pass_context
def _ngettext(context: Context, singular: str, plural: str, number: int) -> str:
    return catalog(context["language"]).ngettext(singular, plural, number)


def _paragraphs(text: str) -> list[list[str]]:
    """Plain text as paragraphs of lines."""
    blocks = text.strip().split("\n\n")
    return [
        [line for line in block.split("\n") if line.strip()] for block in blocks if block.strip()
    ]


def _render(env: Environment, name: str, values: Mapping[str, Any], holding: str) -> str:
    text = env.get_template(name).render(values)
    if holding not in text:
        raise BrokenTemplate("it does not hold {{ leave_url }}, so nobody could leave")
    return text


def _where(exc: Exception, own: Path) -> str:
    """The operator's file and line that raised an error; empty if it was none of theirs."""
    places = []
    if isinstance(exc, TemplateSyntaxError) and exc.filename:
        places.append((exc.filename, exc.lineno))
    else:
        trace = exc.__traceback__
        while trace is not None:
            places.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
            trace = trace.tb_next
    own_places = [(Path(name), line) for name, line in places if Path(name).is_relative_to(own)]
    if not own_places:
        return ""
    path, line = own_places[-1]
    return f"templates/{path.relative_to(own)}, line {line}"
