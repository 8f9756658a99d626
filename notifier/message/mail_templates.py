"""Templates: those that are shipped, and the operator's own in DATA_DIR/templates, which win while
they work.

A template of the operator's that breaks costs nobody a mail: the shipped one is taken in its place,
and that is said once.
"""

import logging
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    Environment,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    select_autoescape,
)
from jinja2.loaders import split_template_path
from jinja2.sandbox import ImmutableSandboxedEnvironment

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).parents[1] / "templates"


class BrokenTemplate(TemplateError):
    """What it makes lacks something that must be there."""


class Templates:
    """``own``: the operator's folder, which need not be there. ``report`` gets each fault in it
    once, as a sentence.
    """

    def __init__(
        self, own: Path | None = None, report: Callable[[str], object] | None = None
    ) -> None:
        self._own, self._report = own, report or _log
        self._shipped = _environment(_Loader(SHIPPED))
        self._reported: set[str] = set()
        self._asked: set[str] = set()
        self._mixed = _environment(_Loader(own, SHIPPED, asked=self._asked)) if own else None

    def render(
        self,
        name: str,
        values: Mapping[str, Any],
        *,
        holding: str = "",
        finish: Callable[[str], str] = str,
    ) -> str:
        """What a template makes of ``values``.

        Text without ``holding`` counts as broken. ``finish`` is part of it: what it raises is the
        template's fault.
        """
        if self._mixed is not None:
            try:
                return finish(_render(self._mixed, name, values, holding))
            except Exception as exc:  # an operator's template may raise anything
                self._say(name, exc)
        return finish(_render(self._shipped, name, values, holding))

    def unused(self) -> list[str]:
        """The operator's files that nothing has asked for so far."""
        if self._own is None or not self._own.is_dir():
            return []
        files = (
            str(path.relative_to(self._own)) for path in self._own.rglob("*") if path.is_file()
        )
        return sorted(name for name in files if name not in self._asked)

    def _say(self, name: str, exc: Exception) -> None:
        where = _where(exc, self._own) if self._own else ""
        fault = f"{where or f'templates/{name}'}: {exc or type(exc).__name__}"
        if fault not in self._reported:
            self._reported.add(fault)
            self._report(fault)


@cache
def templates_in(own: Path) -> Templates:
    """The one for that folder, so that it compiles each template once."""
    return Templates(own)


class _Loader(BaseLoader):
    """Like `FileSystemLoader`, but sees a file, too, that comes before the one that it had found."""

    def __init__(self, *folders: Path, asked: set[str] | None = None) -> None:
        self._folders, self._asked = folders, set() if asked is None else asked

    def get_source(
        self,
        environment: Environment,  # noqa: ARG002
        template: str,
    ) -> tuple[str, str, Callable[[], bool]]:
        path = self._find(template)
        self._asked.add(template)
        if path is None:
            raise TemplateNotFound(template)
        changed = path.stat().st_mtime_ns
        try:
            source = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise TemplateSyntaxError(f"cannot be read: {exc}", 1, template, str(path)) from exc
        return (
            source,
            str(path),
            lambda: self._find(template) == path and path.stat().st_mtime_ns == changed,
        )

    def _find(self, template: str) -> Path | None:
        parts = split_template_path(template)  # refuses ``..``
        return next(
            (path for folder in self._folders if (path := folder.joinpath(*parts)).is_file()), None
        )


def _log(fault: str) -> None:
    log.warning("%s; the shipped template is used in its place", fault)


def _environment(loader: BaseLoader) -> Environment:
    env = ImmutableSandboxedEnvironment(
        loader=loader,
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["paragraphs"] = _paragraphs
    return env


def _paragraphs(text: str) -> list[list[str]]:
    """The paragraphs of plain text, each as its lines."""
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
    """The operator's file and line that an error comes from; empty where none is to blame."""
    if isinstance(exc, TemplateSyntaxError) and exc.filename:
        places = [(exc.filename, exc.lineno)]
    else:
        places, trace = [], exc.__traceback__
        while trace is not None:
            places.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
            trace = trace.tb_next
    found = [(Path(name), line) for name, line in places if Path(name).is_relative_to(own)]
    return f"templates/{found[-1][0].relative_to(own)}, line {found[-1][1]}" if found else ""
