"""`storywire entry`."""

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import click

from cli.command_context import (
    CommandContext,
    F,
    confirm,
    count,
    json_option,
    open_context,
    paragraphs,
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
    """Post, edit and retract entries of a story."""


def _text_options(command: F) -> F:
    """Give a command the options of an entry's text; those not given are None or empty."""
    options: list[Callable[[Any], Any]] = [
        click.option("--title", help="Headline."),
        click.option("--dek", help="One-sentence summary."),
        click.option(
            "--by",
            "byline",
            multiple=True,
            metavar="NAME",
            help="Contributor slug or exact name; created if new. Repeatable, in order.",
        ),
        click.option(
            "--body-file", metavar="F", help="Markdown file with the text; - reads standard input."
        ),
        click.option("--link", metavar="URL", help="Link to the source or full article."),
        click.option("--tag", "tags", multiple=True, metavar="T", help="Tag. Repeatable."),
        click.option(
            "--picture",
            "files",
            multiple=True,
            metavar="F",
            help="JPEG, PNG, WebP, GIF or AVIF file. Repeatable, in order.",
        ),
        click.option(
            "--picture-alt",
            "alts",
            multiple=True,
            metavar="TEXT",
            help="Alt text; one for each picture.",
        ),
        click.option(
            "--picture-credit",
            "credits_",
            multiple=True,
            metavar="TEXT",
            help="Photographer or agency; one for each picture, or none.",
        ),
        click.option(
            "--importance",
            type=click.Choice([grade.value for grade in Importance]),
            help="Default: normal.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _edited(context: CommandContext, text: EntryText, options: dict[str, Any]) -> EntryText:
    """Apply the options of `_text_options` to ``text``; new pictures replace all earlier ones."""
    files, alts, credits_ = (options.pop(name) for name in ("files", "alts", "credits_"))
    changes = {name: value for name, value in options.items() if value not in (None, ())}
    if "body_file" in changes:
        changes["body"] = read_text(changes.pop("body_file"))
    if "importance" in changes:
        changes["importance"] = Importance(changes["importance"])
    if len(alts) != len(files) or len(credits_) not in {0, len(files)}:
        raise click.UsageError(
            "Give one --picture-alt for each --picture, and one --picture-credit each or none."
        )
    if files:
        changes["pictures"] = _pictures(context, files, alts, credits_ or [""] * len(files))
    return replace(text, **changes)


def _pictures(
    context: CommandContext, files: Sequence[str], alts: Sequence[str], credits_: Sequence[str]
) -> tuple[PictureText, ...]:
    pictures = []
    for path, alt, credit in zip(files, alts, credits_, strict=True):
        picture = add_picture(context.db, context.actor, read_picture(path))
        pictures.append(PictureText(picture.sha256, alt, credit))
    return tuple(pictures)


def _entry_json(context: CommandContext, entry: Entry) -> dict[str, object]:
    return {
        "uid": entry.uid,
        "stream": entry.stream.slug,
        "state": entry.state,
        "late": entry.late,
        "title": entry.title,
        "dek": entry.dek,
        "byline": [person.name for person in entry.byline],
        "tags": [tag.label for tag in entry.tags],
        "pictures": [context.page(item.picture.largest.path) for item in entry.pictures],
        "importance": entry.importance,
        "publish_at": entry.publish_at,
        "published_at": entry.published_at,
        "updated_at": entry.updated_at,
        "pinned_at": entry.pinned_at,
        "remark": entry.remark,
        "version": entry.version,
        "guid": entry.guid,
        "url": context.page(f"/streams/{entry.stream.slug}/entries/{entry.uid}"),
    }


@entry.command("add")
@click.argument("slug")
@_text_options
@click.option(
    "--at",
    metavar="TIME",
    help=(
        "ISO 8601; without offset, in the story's time zone. A future time schedules the entry; a"
        " past time backdates it."
    ),
)
@click.option("--no-alert", is_flag=True, help="Don't alert anyone.")
@click.option("--draft", is_flag=True, help="Save as a draft.")
@click.option("--request-key", help="Idempotency key: the same key posts only once.")
@json_option
def add(
    slug: str,
    at: str | None,
    no_alert: bool,
    draft: bool,
    request_key: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Post an entry to the story SLUG, and print its uid.

    Example: storywire entry add tarrow-rises --title "Trams turn back" --by "Tomas Reev" --tag
    trams
    """
    context = open_context()
    with context.db.read() as tx:
        stream = get_stream(tx, slug)
    publish_at = parse_time("at", at, stream.timezone) if at else None
    plan = Release(alerts=not no_alert, at=publish_at)
    entry = add_entry(
        context.db,
        context.actor,
        slug,
        _edited(context, EntryText(), options),
        None if draft else plan,
        plan=plan,
        request_key=request_key,
    )
    show(_entry_json(context, entry), entry.uid, as_json=as_json)
    if entry.state is EntryState.SUBMITTED:
        click.echo("Breaking entries need a second editor's approval.", err=True)


def _entry_command(name: str) -> Callable[[F], F]:
    """Register a command for the entry UID, which prints the entry's state at the end."""

    def register(change: F) -> F:
        @functools.wraps(change)
        def run(uid: str, as_json: bool, **options: Any) -> None:
            context = open_context()
            change(context, _get(context, uid), **options)
            changed = _get(context, uid)
            text = f"{changed.uid} is {changed.state.value}."
            show(_entry_json(context, changed), text, as_json=as_json)

        entry.command(name)(click.argument("uid")(json_option(run)))
        return change

    return register


@_entry_command("edit")
@_text_options
@click.option(
    "--kind",
    type=_KINDS,
    default="silent",
    show_default=True,
    help="Updates and corrections alert followers.",
)
@click.option("--note", default="", help="Note for readers about the change.")
def edit(context: CommandContext, entry: Entry, kind: str, note: str, **options: Any) -> None:
    """Edit an entry. Only the given options change, and only --kind alerts anyone."""
    text = _edited(context, EntryText.of(entry), options)
    if entry.state in UNPUBLISHED_STATES:
        save_draft(context.db, context.actor, entry.uid, entry.version, text)
    else:
        change = Change(RevisionKind(kind), note)
        revise(context.db, context.actor, entry.uid, entry.version, text, change)


@_entry_command("publish")
@click.option("--no-alert", is_flag=True, help="Don't alert anyone.")
def publish(context: CommandContext, entry: Entry, no_alert: bool) -> None:
    """Publish a draft, submitted or scheduled entry now."""
    release = Release(alerts=entry.alerts and not no_alert)
    text = EntryText.of(entry)
    post_draft(context.db, context.actor, entry.uid, entry.version, text, release)


@_entry_command("approve")
def approve_(context: CommandContext, entry: Entry) -> None:
    """Approve a submitted entry. It is published now, or at the time its author chose."""
    approve(context.db, context.actor, entry.uid, entry.version)


@_entry_command("return")
@click.option("--remark", required=True, help="Note for the author.")
def return_(context: CommandContext, entry: Entry, remark: str) -> None:
    """Send a submitted entry back to its author as a draft."""
    return_entry(context.db, context.actor, entry.uid, entry.version, remark)


@_entry_command("pin")
def pin(context: CommandContext, entry: Entry) -> None:
    """Pin an entry to the top of its story. A story can have three pinned entries."""
    pin_entry(context.db, context.actor, entry.uid)


@_entry_command("unpin")
def unpin(context: CommandContext, entry: Entry) -> None:
    """Unpin an entry."""
    unpin_entry(context.db, context.actor, entry.uid)


@_entry_command("retract")
@click.option("--note", default="", help="Reason, shown to readers and sent to those alerted.")
@yes_option
def retract_(context: CommandContext, entry: Entry, note: str, yes: bool) -> None:
    """Remove a published entry from the site, and tell everyone who was alerted.

    Asks for confirmation on a terminal.
    """
    # Scripts may omit --yes because a retracted entry can be restored.
    confirm(
        f"Retract {entry.title!r:.100}, and tell everyone who was alerted?",
        yes=yes or not sys.stdin.isatty(),
    )
    change = Change(RevisionKind.RETRACTION, note)
    retract(context.db, context.actor, entry.uid, entry.version, change)


@_entry_command("restore")
def restore_(context: CommandContext, entry: Entry) -> None:
    """Restore a retracted entry. No one is alerted."""
    change = Change(RevisionKind.RESTORE)
    restore(context.db, context.actor, entry.uid, entry.version, change)


@entry.command("delete-pictures")
@click.argument("uid")
@yes_option
@json_option
def delete_pictures(uid: str, yes: bool, as_json: bool) -> None:
    """Permanently delete the pictures of a retracted entry and of its earlier versions.

    Pictures that another entry or story uses are kept. Purge caches in front of the site as well.
    """
    confirm(f"Permanently delete all pictures of entry {uid}?", yes=yes)
    context = open_context()
    deleted = purge_pictures(context.db, context.actor, uid)
    show({"deleted": deleted}, f"Deleted {count(len(deleted), 'picture')}.", as_json=as_json)


@entry.command("list")
@click.argument("slug", required=False)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in EntryState]),
    help="Only entries in this state. Repeatable.",
)
@list_options(50)
def list_(slug: str | None, states: tuple[str, ...], options: ListOptions) -> None:
    """List entries of the story SLUG, or of all stories, recently changed first."""
    context = open_context()
    with context.db.read() as tx:
        stream_id = get_stream(tx, slug).id if slug else None
        ids = entry_ids(tx, *map(EntryState, states), stream_id=stream_id)
    print_list(
        _entries(context, ids, options.page),
        options,
        value=functools.partial(_entry_json, context),
        cells=_cells,
        empty="No entries.",
    )


def _entries(context: CommandContext, ids: Sequence[int], page_rows: int) -> Iterator[Entry]:
    for start in range(0, len(ids), page_rows):
        with context.db.read() as tx:
            entries = entries_by_id(tx, ids[start : start + page_rows])
        yield from entries


def _cells(entry: Entry) -> tuple[object, ...]:
    time = entry.published_at or entry.publish_at
    return entry.uid, entry.state, time, entry.stream.slug, entry.title


@entry.command("show")
@click.argument("uid")
@json_option
def show_(uid: str, as_json: bool) -> None:
    """Show an entry with its text, contributors and history.

    Example: storywire entry show kz7w2mq
    """
    context = open_context()
    with context.db.read() as tx:
        entry = get_entry(tx, uid)
        history = list_revisions(tx, entry)
    value = {
        **_entry_json(context, entry),
        "link": entry.link,
        "body": entry.body,
        "contributors": [contributor_json(context, person) for person in entry.byline],
        "pictures": [_picture_json(context, picture) for picture in entry.pictures],
        "revisions": list(map(_revision_json, history)),
    }
    details = {
        **{name: value[name] for name in _DETAILS},
        "by": ", ".join(person.name for person in entry.byline),
        "tags": ", ".join(tag.label for tag in entry.tags),
    }
    changes = [(item.no, item.kind, item.state, item.applied_at, item.note) for item in history]
    text = paragraphs(
        entry.title,
        entry.dek,
        table([row for row in details.items() if row[1]], empty=""),
        entry.body,
        table(changes, empty=""),
    )
    show(value, text, as_json=as_json)


_DETAILS = (
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


def _picture_json(context: CommandContext, item: EntryPicture) -> dict[str, object]:
    return {"url": context.page(item.picture.largest.path), "alt": item.alt, "credit": item.credit}


def _revision_json(revision: Revision) -> dict[str, object]:
    names = ("no", "kind", "state", "note", "alerts", "created_at", "applied_at")
    return {name: getattr(revision, name) for name in names}


def _get(context: CommandContext, uid: str) -> Entry:
    with context.db.read() as tx:
        return get_entry(tx, uid)
