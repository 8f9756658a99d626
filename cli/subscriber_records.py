"""`storywire subscriber show`, `suppress`, `unsuppress`, `erase` and `export`."""

import sys
from itertools import chain
from pathlib import Path

import click

from cli.command_context import (
    CommandContext,
    confirm,
    create_private,
    json_option,
    open_context,
    show,
    table,
    yes_option,
)
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
    help="Maximum number of deliveries shown.",
)
@json_option
def show_one(email: str, limit: int, as_json: bool) -> None:
    """Show what EMAIL follows, its consent record, and what was sent to it."""
    with open_context().db.read() as tx:
        recipient = find_recipient(tx, RecipientKind.MAIL, normal_address(email))
        if recipient is None:
            raise NotFound("subscriber", email)
        _, subscriptions = recipient_with_subscriptions(tx, recipient.uid)
        deliveries = told(tx, recipient.id, limit=limit + 1)
    has_more = len(deliveries) > limit
    deliveries = deliveries[:limit]
    follows = [item.stream.slug if item.stream else "*" for item in subscriptions]
    details = {
        **_subscriber_json(recipient),
        "language": recipient.language,
        "timezone": recipient.timezone,
        "consent": recipient.consent,
    }
    value = {**details, "follows": follows, "sent": list(map(_delivery_json, deliveries))}
    lines = [*details.items(), ("follows", ", ".join(follows) or "nothing")]
    log = table(list(map(_cells, deliveries)), empty="Nothing sent yet.")
    show(value, f"{table(lines, empty='')}\n{log}", as_json=as_json)
    if has_more:
        click.echo(
            f"Only the last {limit:,} deliveries are shown. Use --limit to see more.", err=True
        )


@click.command("suppress")
@click.argument("email")
@click.option("--reason", required=True, help="Reason, for the record.")
@json_option
def suppress(email: str, reason: str, as_json: bool) -> None:
    """Block EMAIL, subscribed or not. Imports and new sign-ups don't unblock it.

    Example: storywire subscriber suppress ann@example.org --reason "asked by telephone"
    """
    context = open_context()
    recipient = suppress_address(context.db, context.actor, email, reason)
    show(_subscriber_json(recipient), f"Blocked {recipient.address}.", as_json=as_json)


@click.command("unsuppress")
@click.argument("email")
@json_option
def unsuppress(email: str, as_json: bool) -> None:
    """Unblock EMAIL, and restore any subscription that it had confirmed."""
    context = open_context()
    known = _find(context, email)
    if known is None:
        raise NotFound("subscriber", email)
    recipient = lift_suppression(context.db, context.actor, known.uid)
    text = f"Unblocked {email}, which is now {recipient.state.value}."
    show(_subscriber_json(recipient), text, as_json=as_json)


@click.command("erase")
@click.argument("email")
@yes_option
@json_option
def erase(email: str, yes: bool, as_json: bool) -> None:
    """Permanently delete EMAIL with its subscriptions and consent record.

    Delivery totals are kept, and a hash of a blocked address, so that it stays blocked.
    """
    context = open_context()
    known = _find(context, email)
    if known is not None:
        confirm(f"Permanently delete {known.address}?", yes=yes)
    erase_address(context.db, context.actor, email)
    show({"erased": True}, "Deleted.", as_json=as_json)


def _find(context: CommandContext, email: str) -> Recipient | None:
    with context.db.read() as tx:
        return find_recipient(tx, RecipientKind.MAIL, normal_address(email))


@click.command("export")
@click.argument("file", metavar="FILE.csv")
@click.option("--stream", metavar="SLUG", help="Only people who follow this story specifically.")
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in RecipientState]),
    multiple=True,
    default=("confirmed",),
    help="Repeatable. Default: confirmed.",
)
@yes_option
@json_option
def export_list(
    file: str, stream: str | None, states: tuple[str, ...], yes: bool, as_json: bool
) -> None:
    """Export subscribers with proof of their consent to a CSV file, or to standard output for -.

    Only you can read the file. The list may have any length, and the site stays online.

    Example: storywire subscriber export readers.csv --stream tarrow-rises
    """
    context = open_context()
    parts = as_csv(export(context.db, stream, states=[RecipientState(state) for state in states]))
    if file != "-" and Path(file).exists():
        confirm(f"Overwrite {file}?", yes=yes)
    first_part = next(parts)  # fails on an unknown story before the file is created
    content = chain([first_part], parts)
    if file == "-":
        sys.stdout.writelines(content)
        return
    with create_private(Path(file)) as out:
        out.writelines(content)
    show({"written": file}, f"Exported to {file}.", as_json=as_json)


def _subscriber_json(recipient: Recipient) -> dict[str, object]:
    return {
        "email": recipient.address,
        "state": recipient.state,
        "reason": recipient.reason,
        "confirmed_at": recipient.confirmed_at,
    }


def _delivery_json(delivery: DeliveryRecord) -> dict[str, object]:
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
    return {"what": _subject(delivery), **{name: getattr(delivery, name) for name in names}}


def _cells(delivery: DeliveryRecord) -> tuple[object, ...]:
    outcome = delivery.reason or delivery.last_reply
    return delivery.created_at, delivery.state, _subject(delivery), outcome


def _subject(delivery: DeliveryRecord) -> str:
    if delivery.revision:
        return f"{delivery.revision.value}: {delivery.title}"
    return delivery.notice or delivery.kind.value
