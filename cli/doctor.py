"""`storywire doctor`: all settings, and checks that the site works."""

import os
import re
from dataclasses import asdict
from typing import Any

import click
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError

from cli.checks.broker import check_broker
from cli.checks.checkup import Check, CheckResult, Checkup, Status, fault
from cli.checks.database import check_database
from cli.checks.host import (
    check_data_dir,
    check_disk,
    check_proxies,
    check_settings,
    check_web,
)
from cli.checks.mail import check_mail, check_templates
from cli.checks.sending import check_channels, check_sending, check_workers
from cli.command_context import json_option, show, table
from cli.lazy import LazyCommand, LazyGroup
from config.settings import BadSettings, load_settings

# Keys are those of --json; several checks may share one.
CHECKS: tuple[tuple[str, Check], ...] = (
    ("settings", check_settings),
    ("data_dir", check_data_dir),
    ("disk", check_disk),
    ("database", check_database),
    ("broker", check_broker),
    ("web", check_web),
    ("web", check_proxies),
    ("workers", check_workers),
    ("sending", check_sending),
    ("mail", check_mail),
    ("channels", check_channels),
    ("templates", check_templates),
)


@click.group(cls=LazyGroup, invoke_without_command=True)
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Print all settings and check that the site works.

    Checks the database, the mail server and the rest in the same way as the site uses them, and
    says how to fix each fault. Sends and changes nothing. Exits 1 if there is a fault, 78 if a
    setting is invalid.
    """
    if ctx.invoked_subcommand:
        return
    try:
        settings = load_settings()
    except BadSettings as exc:
        advice = "Change it in the environment or in storywire.toml."
        results = [("settings", [fault(problem, advice) for problem in exc.problems])]
        show({"settings": {}, **_as_json(results)}, _as_text(results), as_json=as_json)
        raise click.exceptions.Exit(os.EX_CONFIG) from None
    checkup = Checkup(settings)
    try:
        results = [(key, _run(check, checkup)) for key, check in CHECKS]
    finally:
        checkup.close()
    fields = type(settings).model_fields
    values = {name.upper(): _printable(getattr(settings, name)) for name in fields}
    rows = [(f"STORYWIRE_{name}", value) for name, value in values.items()]
    report = {"settings": values, **_as_json(results)}
    show(report, f"{table(rows, empty='')}\n\n{_as_text(results)}", as_json=as_json)
    if _has_fault(results):
        raise click.exceptions.Exit(1)


doctor.add_command(
    LazyCommand(
        "feeds",
        "cli.doctor_feeds:feeds",
        "Check the site's feeds, or those of STREAM, as a feed reader would.",
    )
)

Results = list[tuple[str, list[CheckResult]]]


def _has_fault(results: Results) -> bool:
    return any(problem.status is Status.FAULT for _, problems in results for problem in problems)


def _run(check: Check, checkup: Checkup) -> list[CheckResult]:
    try:
        return list(check(checkup))
    except DBAPIError as exc:  # the database went away after its check
        reason = str(exc.orig).partition("\n")[0]
        return [fault(f"The database cannot be used: {reason}.", "Run `storywire doctor` again.")]


def _as_json(results: Results) -> dict[str, Any]:
    """Make ``checks``, with null or all problems as one text, and ``findings``, one per problem."""
    checks: dict[str, str | None] = dict.fromkeys(key for key, _ in results)
    findings = []
    for key, problems in results:
        for result in problems:
            checks[key] = " ".join(filter(None, (checks[key], result.problem)))
            findings.append({"check": key, **asdict(result)})
    return {"checks": checks, "findings": findings}


def _as_text(results: Results) -> str:
    problems_by_key: dict[str, list[CheckResult]] = {}
    for key, problems in results:
        problems_by_key.setdefault(key, []).extend(problems)
    lines = []
    for key, problems in problems_by_key.items():
        if not problems:
            lines.append(f"{'ok':<8} {key}")
        for result in problems:
            lines.append(f"{result.status.value:<8} {key}: {result.problem}")
            lines.append(f"{'':<8} {'':<{len(key)}}  {result.advice}")
    return "\n".join(lines)


def _printable(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "set" if value.get_secret_value() else ""
    text = ",".join(sorted(value)) if isinstance(value, frozenset) else str(value)
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", text)  # passwords of database and broker
