"""`storywire subscriber show`, `suppress`, `unsuppress`, `erase` and `export`: single subscribers,
and all as a file.
"""

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

import click

from cli.command_context import confirm, json_option, open_context, show, table, yes_option
from models import Recipient, RecipientKind, RecipientState
from models.membership.suppression import erase_address, lift_suppression, suppress_address
from models.recipients.audience import find_recipient, recipient_with_subscriptions
from models.recipients.subscriber_lists import DeliveryRecord, as_csv, export, told
from models.text.email_address import normal_address
from models.text.errors import NotFound


@click.command("show")
@click.argument("email")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Of what was sent, at most so much.",
)
@json_option
def show_one(email: str, limit: int, as_json: bool) -> None:
    """Show what is known of EMAIL: what it follows, its consent, and what it was sent and when."""
    with open_context().db.read() as tx:
        found = find_recipient(tx, RecipientKind.MAIL, normal_address(email))
        if found is None:
            raise NotFound("subscriber", email)
        _, follows = recipient_with_subscriptions(tx, found.uid)
        sent = told(tx, found.id, limit=limit + 1)
    more, sent = len(sent) > limit, sent[:limit]
    value: dict[str, Any] = {
        **_subscriber(found),
        "language": found.language,
        "timezone": found.timezone,
        "consent": found.consent,
        "follows": [one.stream.slug if one.stream else "*" for one in follows],
        "sent": [_told(one) for one in sent],
    }
    lines = [
        (name, value[name] if name != "follows" else ", ".join(value["follows"]) or "nothing")
        for name in value
        if name != "sent"
    ]
    rows = [(one.created_at, one.state, _what(one), one.reason or one.last_reply) for one in sent]
    show(
        value,
        f"{table(lines, empty='')}\n{table(rows, empty='Nothing was sent yet.')}",
        as_json=as_json,
    )
    if more:
        click.echo(
            f"Only the last {limit:,} of what was sent are shown, and there are more: --limit.",
            err=True,
        )


@click.command("suppress")
@click.argument("email")
@click.option("--reason", required=True, help="Why, for those who look later.")
@json_option
def suppress(email: str, reason: str, as_json: bool) -> None:
    """Never mail EMAIL again, known or not; no import and no sign-up by others brings it back.

    Example: storywire subscriber suppress ann@example.org --reason "asked by telephone"
    """
    context = open_context()
    found = suppress_address(context.db, context.actor, email, reason)
    show(_subscriber(found), f"{found.address} is never mailed again.", as_json=as_json)


@click.command("unsuppress")
@click.argument("email")
@json_option
def unsuppress(email: str, as_json: bool) -> None:
    """Let EMAIL be mailed again; it is told what it had confirmed, else nothing."""
    context = open_context()
    with context.db.read() as tx:
        known = find_recipient(tx, RecipientKind.MAIL, normal_address(email))
    if known is None:
        raise NotFound("subscriber", email)
    found = lift_suppression(context.db, context.actor, known.uid)
    show(
        _subscriber(found),
        f"{email} is no longer suppressed, and is now {found.state.value}.",
        as_json=as_json,
    )


@click.command("erase")
@click.argument("email")
@yes_option
@json_option
def erase(email: str, yes: bool, as_json: bool) -> None:
    """Forget EMAIL: only numbers of what was sent are left, and of a suppressed address a hash, so
    that it stays so.
    """
    context = open_context()
    with context.db.read() as tx:
        known = find_recipient(tx, RecipientKind.MAIL, normal_address(email))
    if known is not None:
        confirm(f"Forget {known.address} for good?", yes=yes)
    erase_address(context.db, context.actor, email)
    show({"erased": True}, "Nothing is known of this address any more.", as_json=as_json)


@click.command("export")
@click.argument("file", metavar="FILE.csv")
@click.option("--stream", metavar="SLUG", help="Only those who follow this story by its own name.")
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in RecipientState]),
    multiple=True,
    default=("confirmed",),
    help="Repeatable; confirmed if none is named.",
)
@yes_option
@json_option
def export_list(
    file: str, stream: str | None, states: tuple[str, ...], yes: bool, as_json: bool
) -> None:
    """Write subscribers to a CSV file that only you may read, with the proof of their consent; -
    writes to standard output.

    It may be as long as you like, and the service goes on meanwhile.

    Example: storywire subscriber export readers.csv --stream tarrow-rises
    """
    context = open_context()
    parts = as_csv(export(context.db, stream, states=[RecipientState(state) for state in states]))
    if file != "-" and Path(file).exists():
        confirm(f"Overwrite {file}?", yes=yes)
    first = next(parts)  # what cannot be read is said before the file is made
    with _opened(file) as out:
        out.writelines(chain([first], parts))
    if file != "-":
        show({"written": file}, f"Written: {file}", as_json=as_json)


def _opened(file: str) -> AbstractContextManager[TextIO]:
    if file == "-":
        return nullcontext(sys.stdout)
    try:
        Path(file).unlink(missing_ok=True)
        return os.fdopen(
            os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600),
            "w",
            encoding="utf-8",
            newline="",
        )
    except OSError as exc:
        raise click.ClickException(f"{file} cannot be written: {exc.strerror}.") from exc


def _subscriber(found: Recipient) -> dict[str, object]:
    return {
        "email": found.address,
        "state": found.state,
        "reason": found.reason,
        "confirmed_at": found.confirmed_at,
    }


def _told(one: DeliveryRecord) -> dict[str, object]:
    names = (
        "uid",
        "title",
        "entry_uid",
        "state",
        "reason",
        "attempts",
        "last_reply",
        "created_at",
        "settled_at",
    )
    return {"what": _what(one), **{name: getattr(one, name) for name in names}}


def _what(one: DeliveryRecord) -> str:
    return f"{one.revision.value}: {one.title}" if one.revision else one.notice or one.kind.value
