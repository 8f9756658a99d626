"""`storywire entry`."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import click

from cli.command_context import (
    CommandContext,
    F,
    confirm,
    json_option,
    open_context,
    read_picture,
    read_text,
    show,
    table,
    yes_option,
)
from cli.list_output import ListOptions, list_options, print_list
from cli.people_commands import contributor_json
from models import Entry, EntryPicture, EntryState, Importance, Revision, RevisionKind
from models.publishing.approving import approve, return_entry
from models.publishing.posting import UNPUBLISHED_STATES, Release, add_entry, post_draft, save_draft
from models.publishing.purging import purge_pictures
from models.publishing.revising import Change, list_revisions, restore, retract, revise
from models.streams.entries import entries_by_id, entry_ids, get_entry
from models.streams.pictures import add_picture
from models.streams.pinning import pin_entry, unpin_entry
from models.streams.streams import get_stream
from models.text.texts import EntryText, PictureText
from models.text.times import parse_time

_KINDS = click.Choice(["silent", "update", "correction"])


@click.group()
def entry() -> None:
    """Dated items of a story."""


def _text_options(command: F) -> F:
    """The options that say what an entry says; each is None or empty where it was not given."""
    options: list[Callable[[Any], Any]] = [
        click.option("--title", help="What happened."),
        click.option("--dek", help="One sentence more."),
        click.option(
            "--by",
            "byline",
            multiple=True,
            metavar="NAME",
            help="Slug or exact name; made if new. Repeatable, in order.",
        ),
        click.option(
            "--body-file", metavar="F", help="The text, in Markdown; - reads standard input."
        ),
        click.option("--link", metavar="URL", help="A page elsewhere that this is about."),
        click.option("--tag", "tags", multiple=True, metavar="T", help="Repeatable."),
        click.option(
            "--picture",
            "files",
            multiple=True,
            metavar="F",
            help="A JPEG, PNG, WebP, GIF or AVIF file. Repeatable, in order.",
        ),
        click.option(
            "--picture-alt",
            "alts",
            multiple=True,
            metavar="TEXT",
            help="What it shows; one for each picture.",
        ),
        click.option(
            "--picture-credit",
            "credits_",
            multiple=True,
            metavar="TEXT",
            help="Who made it; one for each picture, or none.",
        ),
        click.option(
            "--importance",
            type=click.Choice([grade.value for grade in Importance]),
            help="normal if left out.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _edited(context: CommandContext, text: EntryText, given: dict[str, Any]) -> EntryText:
    """``text`` with what was given in its place; pictures take the place of all that were there."""
    files, alts, credits_ = (given.pop(name) for name in ("files", "alts", "credits_"))
    if len(alts) != len(files) or len(credits_) not in {0, len(files)}:
        raise click.UsageError(
            "Give one --picture-alt for each --picture, and as many --picture-credit or none."
        )
    changes = {name: value for name, value in given.items() if value not in (None, ())}
    if "body_file" in changes:
        changes["body"] = read_text(changes.pop("body_file"))
    if "importance" in changes:
        changes["importance"] = Importance(changes["importance"])
    if files:
        kept = [add_picture(context.db, context.actor, read_picture(path)).sha256 for path in files]
        changes["pictures"] = tuple(map(PictureText, kept, alts, credits_ or [""] * len(files)))
    return replace(text, **changes)


def _entry(context: CommandContext, found: Entry) -> dict[str, object]:
    return {
        "uid": found.uid,
        "stream": found.stream.slug,
        "state": found.state,
        "late": found.late,
        "title": found.title,
        "dek": found.dek,
        "byline": [person.name for person in found.byline],
        "tags": [tag.label for tag in found.tags],
        "pictures": [context.page(shown.picture.largest.path) for shown in found.pictures],
        "importance": found.importance,
        "publish_at": found.publish_at,
        "published_at": found.published_at,
        "updated_at": found.updated_at,
        "pinned_at": found.pinned_at,
        "remark": found.remark,
        "version": found.version,
        "guid": found.guid,
        "url": context.page(f"/streams/{found.stream.slug}/entries/{found.uid}"),
    }


@entry.command("add")
@click.argument("slug")
@_text_options
@click.option(
    "--at",
    metavar="TIME",
    help=(
        "ISO 8601; without offset, in the story's zone. In the future: goes out then. In the past:"
        " bears that date."
    ),
)
@click.option("--no-alert", is_flag=True, help="Tell nobody.")
@click.option("--draft", is_flag=True, help="Keep it on the desk.")
@click.option("--request-key", help="The same key posts once, however often the command runs.")
@json_option
def add(
    slug: str,
    at: str | None,
    no_alert: bool,
    draft: bool,
    request_key: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Post an entry to the story SLUG at once, and print its uid.

    Example: storywire entry add tarrow-rises --title "Trams turn back" --by "Tomas Reev" --tag
    trams
    """
    context = open_context()
    with context.db.read() as tx:
        stream = get_stream(tx, slug)
    moment = parse_time("at", at, stream.timezone) if at else None
    plan = Release(alerts=not no_alert, at=moment)
    text, release = _edited(context, EntryText(), given), None if draft else plan
    found = add_entry(
        context.db, context.actor, slug, text, release, plan=plan, request_key=request_key
    )
    show(_entry(context, found), found.uid, as_json=as_json)
    if found.state is EntryState.SUBMITTED:
        click.echo("It is breaking, and waits until a second editor approves it.", err=True)


@entry.command("edit")
@click.argument("uid")
@_text_options
@click.option(
    "--kind",
    type=_KINDS,
    default="silent",
    show_default=True,
    help="update and correction alert followers.",
)
@click.option("--note", default="", help="What readers are told about the change.")
@json_option
def edit(uid: str, kind: str, note: str, as_json: bool, **given: Any) -> None:
    """Change an entry: only what is given, and nobody is alerted unless --kind says so."""
    context = open_context()
    with context.db.read() as tx:
        now = get_entry(tx, uid)
    text = _edited(context, EntryText.of(now), given)
    if now.state in UNPUBLISHED_STATES:
        save_draft(context.db, context.actor, uid, now.version, text)
    else:
        revise(context.db, context.actor, uid, now.version, text, Change(RevisionKind(kind), note))
    _say(context, uid, as_json)


@entry.command("publish")
@click.argument("uid")
@click.option("--no-alert", is_flag=True, help="Tell nobody.")
@json_option
def publish(uid: str, no_alert: bool, as_json: bool) -> None:
    """Publish a draft, a submitted or a scheduled entry now."""
    context = open_context()
    with context.db.read() as tx:
        now = get_entry(tx, uid)
    post_draft(
        context.db,
        context.actor,
        uid,
        now.version,
        EntryText.of(now),
        Release(alerts=now.alerts and not no_alert),
    )
    _say(context, uid, as_json)


@entry.command("approve")
@click.argument("uid")
@json_option
def approve_(uid: str, as_json: bool) -> None:
    """Let a submitted entry out as its author asked: at its time, or now."""
    context = open_context()
    with context.db.read() as tx:
        now = get_entry(tx, uid)
    approve(context.db, context.actor, uid, now.version)
    _say(context, uid, as_json)


@entry.command("return")
@click.argument("uid")
@click.option("--remark", required=True, help="What is missing; its author reads it.")
@json_option
def return_(uid: str, remark: str, as_json: bool) -> None:
    """Return a submitted entry to its author, as a draft."""
    context = open_context()
    with context.db.read() as tx:
        now = get_entry(tx, uid)
    return_entry(context.db, context.actor, uid, now.version, remark)
    _say(context, uid, as_json)


@entry.command("pin")
@click.argument("uid")
@json_option
def pin_(uid: str, as_json: bool) -> None:
    """Let an entry stand on top of its story's page; three of a story at most."""
    context = open_context()
    pin_entry(context.db, context.actor, uid)
    _say(context, uid, as_json)


@entry.command("unpin")
@click.argument("uid")
@json_option
def unpin_(uid: str, as_json: bool) -> None:
    """Unpin an entry."""
    context = open_context()
    unpin_entry(context.db, context.actor, uid)
    _say(context, uid, as_json)


@entry.command("retract")
@click.argument("uid")
@click.option("--note", default="", help="Why; readers and those who were alerted are told.")
@yes_option
@json_option
def retract_(uid: str, note: str, yes: bool, as_json: bool) -> None:
    """Take a published entry off every page, and tell those who were alerted of it. Asks first on a
    terminal.
    """
    context = open_context()
    with context.db.read() as tx:
        now = get_entry(tx, uid)
    # Scripts retract without --yes, and what is retracted can be restored.
    confirm(
        f"Retract {now.title!r:.100}, and tell those who were alerted of it?",
        yes=yes or not sys.stdin.isatty(),
    )
    retract(context.db, context.actor, uid, now.version, Change(RevisionKind.RETRACTION, note))
    _say(context, uid, as_json)


@entry.command("restore")
@click.argument("uid")
@json_option
def restore_(uid: str, as_json: bool) -> None:
    """Bring a retracted entry back.  Nobody is alerted."""
    context = open_context()
    with context.db.read() as tx:
        now = get_entry(tx, uid)
    restore(context.db, context.actor, uid, now.version, Change(RevisionKind.RESTORE))
    _say(context, uid, as_json)


@entry.command("delete-pictures")
@click.argument("uid")
@yes_option
@json_option
def delete_pictures(uid: str, yes: bool, as_json: bool) -> None:
    """Delete the pictures of a retracted entry for good, from all its earlier texts, too.

    Pictures that another entry or story shows stay. Caches in front of the service keep what they
    have: purge them, too.
    """
    confirm(f"Delete all pictures of entry {uid} for good?", yes=yes)
    context = open_context()
    deleted = purge_pictures(context.db, context.actor, uid)
    show({"deleted": deleted}, f"Pictures deleted: {len(deleted)}.", as_json=as_json)


@entry.command("list")
@click.argument("slug", required=False)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in EntryState]),
    help="Repeatable.",
)
@list_options(50)
def list_(slug: str | None, states: tuple[str, ...], options: ListOptions) -> None:
    """List entries, of the story SLUG or of all, those last changed first."""
    context = open_context()
    with context.db.read() as tx:
        stream_id = get_stream(tx, slug).id if slug else None
        ids = entry_ids(tx, *map(EntryState, states), stream_id=stream_id)
    rows = _entries(context, ids, options.page)
    print_list(
        rows, options, value=lambda found: _entry(context, found), cells=_cells, empty="No entries."
    )


def _entries(context: CommandContext, ids: Sequence[int], page: int) -> Iterator[Entry]:
    for first in range(0, len(ids), page):
        with context.db.read() as tx:
            found = entries_by_id(tx, ids[first : first + page])
        yield from found


def _cells(found: Entry) -> tuple[object, ...]:
    return (
        found.uid,
        found.state,
        found.published_at or found.publish_at,
        found.stream.slug,
        found.title,
    )


@entry.command("show")
@click.argument("uid")
@json_option
def show_(uid: str, as_json: bool) -> None:
    """Show an entry with its text, its contributors and what was changed.

    Example: storywire entry show kz7w2mq
    """
    context = open_context()
    with context.db.read() as tx:
        found = get_entry(tx, uid)
        history = list_revisions(tx, found)
    value = {
        **_entry(context, found),
        "link": found.link,
        "body": found.body,
        "contributors": [contributor_json(context, person) for person in found.byline],
        "pictures": [_picture(context, shown) for shown in found.pictures],
        "revisions": [_revision(revision) for revision in history],
    }
    names = (
        "url",
        "state",
        "stream",
        "published_at",
        "updated_at",
        "importance",
        "link",
        "guid",
        "version",
    )
    rows = [(name, value[name]) for name in names if value[name]]
    rows += [("by", ", ".join(person.name for person in found.byline))] if found.byline else []
    rows += [("tags", ", ".join(tag.label for tag in found.tags))] if found.tags else []
    changes = [
        (revision.no, revision.kind, revision.state, revision.applied_at, revision.note)
        for revision in history
    ]
    parts = [found.title, found.dek, table(rows, empty=""), found.body, table(changes, empty="")]
    show(value, "\n\n".join(part for part in parts if part), as_json=as_json)


def _picture(context: CommandContext, shown: EntryPicture) -> dict[str, object]:
    return {
        "url": context.page(shown.picture.largest.path),
        "alt": shown.alt,
        "credit": shown.credit,
    }


def _revision(revision: Revision) -> dict[str, object]:
    names = ("no", "kind", "state", "note", "alerts", "created_at", "applied_at")
    return {name: getattr(revision, name) for name in names}


def _say(context: CommandContext, uid: str, as_json: bool) -> None:
    with context.db.read() as tx:
        found = get_entry(tx, uid)
    show(_entry(context, found), f"{found.uid} is {found.state.value}.", as_json=as_json)
