"""`storywire account` and `storywire contributor`."""

import sys
from urllib.parse import quote

import click

from cli.command_context import CommandContext, json_option, open_context, show, table
from models import Account, Contributor, Role
from models.accounts.accounts import (
    add_account,
    check_password,
    list_accounts,
    make_login_link,
    set_password,
)
from models.accounts.invitations import invite
from models.accounts.staff import change_role, end_account, find_account, reopen_account
from models.streams.contributors import add_contributor, list_contributors
from models.tables.people import LinkKind
from models.text.errors import Invalid

_ROLES = click.Choice([role.value for role in Role])
_name_option = click.option("--name", help="Name shown on the desk. Default: the address.")
_role_option = click.option(
    "--role",
    type=_ROLES,
    default="editor",
    show_default=True,
    help="author: writes and submits; editor: publishes; admin: also manages the site.",
)
# Never an argument, which other users of the machine could see.
_password_stdin_option = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from the first line of standard input.",
)


@click.group()
def account() -> None:
    """Manage the people who log in to the desk."""


def account_json(account: Account) -> dict[str, object]:
    return {
        "email": account.email,
        "name": account.name,
        "role": account.role,
        "ended": account.ended_at is not None,
        "seen_at": account.seen_at,
    }


@account.command("add")
@click.argument("email")
@_name_option
@_role_option
@click.option(
    "--password",
    "ask",
    is_flag=True,
    help="Ask for a password. Without one, log in with `account login-link`.",
)
@_password_stdin_option
@json_option
def add(
    email: str, name: str | None, role: str, ask: bool, password_stdin: bool, as_json: bool
) -> None:
    """Add an account for EMAIL.

    Example: storywire account add mara@example.org --name "Mara Eskelund" --role editor --password
    """
    context = open_context()
    password = read_password(from_stdin=password_stdin) if ask or password_stdin else None
    account = add_account(
        context.db, context.actor, email, name or email, Role(role), password=password
    )
    show(account_json(account), f"Added {account.email} as {account.role.value}.", as_json=as_json)


@account.command("invite")
@click.argument("email")
@_name_option
@_role_option
@json_option
def invite_(email: str, name: str | None, role: str, as_json: bool) -> None:
    """Invite EMAIL to set a password within seven days.

    The link is sent by e-mail, or printed if the site cannot send e-mail. Inviting someone who has
    not set a password yet replaces the earlier link.
    """
    context = open_context()
    invited = invite(context.db, context.keys, context.actor, email, name or email, Role(role))
    mailed = invited.mailed and bool(context.settings.mail_url.get_secret_value())
    link = "" if mailed else context.page(f"/login/password/{invited.token}")
    value = account_json(invited.account) | {"mailed": mailed, "url": link or None}
    show(value, link or f"Invitation sent to {invited.account.email}.", as_json=as_json)


@account.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all accounts."""
    accounts = list_accounts(open_context().db)
    rows = []
    for account in accounts:
        last_seen = "deactivated" if account.ended_at else account.seen_at or "never logged in"
        rows.append((account.email, account.role, account.name, last_seen))
    show(
        list(map(account_json, accounts)),
        table(rows, empty="No accounts yet. Run `storywire account add`."),
        as_json=as_json,
    )


@account.command("password")
@click.argument("email")
@_password_stdin_option
@json_option
def password(email: str, password_stdin: bool, as_json: bool) -> None:
    """Set the password of EMAIL, and log it out everywhere.  Asks for the password on a terminal.

    Example: pass show storywire/mara | storywire account password mara@example.org --password-stdin
    """
    context = open_context()
    password = read_password(from_stdin=password_stdin)
    account = set_password(context.db, context.actor, email, password)
    show(account_json(account), f"New password set for {account.email}.", as_json=as_json)


@account.command("login-link")
@click.argument("email")
@json_option
def login_link(email: str, as_json: bool) -> None:
    """Print a link that logs EMAIL in. It works once, for 15 minutes."""
    context = open_context()
    link = context.page(f"/login/{make_login_link(context.db, context.actor, email)}")
    show({"url": link}, link, as_json=as_json)


@account.command("reset-link")
@click.argument("email")
@json_option
def reset_link(email: str, as_json: bool) -> None:
    """Print a link to set a new password for EMAIL. It is valid for 30 minutes."""
    context = open_context()
    token = make_login_link(context.db, context.actor, email, LinkKind.RESET)
    link = context.page(f"/login/password/{token}")
    show({"url": link}, link, as_json=as_json)


@account.command("role")
@click.argument("email")
@click.argument("role", type=_ROLES)
@json_option
def role_(email: str, role: str, as_json: bool) -> None:
    """Change the role of EMAIL to author, editor or admin."""
    context = open_context()
    account_id = find_account(context.db, email).id
    account = change_role(context.db, context.actor, account_id, Role(role))
    show(account_json(account), f"{account.email} is now {account.role.value}.", as_json=as_json)


@account.command("end")
@click.argument("email")
@json_option
def end(email: str, as_json: bool) -> None:
    """Deactivate the account of EMAIL, and log it out everywhere. Everything it wrote is kept."""
    context = open_context()
    account_id = find_account(context.db, email).id
    account = end_account(context.db, context.actor, account_id)
    show(account_json(account), f"{account.email} can no longer log in.", as_json=as_json)


@account.command("reopen")
@click.argument("email")
@json_option
def reopen(email: str, as_json: bool) -> None:
    """Reactivate the account of EMAIL."""
    context = open_context()
    account_id = find_account(context.db, email).id
    account = reopen_account(context.db, context.actor, account_id)
    text = f"{account.email} can log in again as {account.role.value}."
    show(account_json(account), text, as_json=as_json)


def read_password(*, from_stdin: bool) -> str:
    """Read a valid password from standard input, or ask for it twice on the terminal."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        check_password(password)
        return password
    if not sys.stdin.isatty():
        raise click.ClickException(
            "There is no terminal to ask for a password. Use --password-stdin to read it from"
            " standard input."
        )
    while True:
        password = click.prompt("Password", hide_input=True, value_proc=_checked_password)
        if click.prompt("Repeat password", hide_input=True) == password:
            return str(password)
        click.echo("The passwords don't match. Try again.", err=True)


def _checked_password(password: str) -> str:
    try:
        check_password(password)
    except Invalid as exc:
        raise click.BadParameter(str(exc)) from exc
    return password


@click.group()
def contributor() -> None:
    """Manage the people credited in bylines and stories."""


def _contributor_json(contributor: Contributor) -> dict[str, object]:
    return {"slug": contributor.slug, "name": contributor.name, "url": contributor.url}


def contributor_json(context: CommandContext, contributor: Contributor) -> dict[str, object]:
    """A contributor in the JSON of entries and stories: with the page here and their home page."""
    return {
        "name": contributor.name,
        "slug": contributor.slug,
        "url": context.page(f"/contributors/{quote(contributor.slug)}"),
        "own_url": contributor.url,
    }


@contributor.command("add")
@click.argument("name")
@click.option("--url", default="", help="Their home page.")
@json_option
def add_one(name: str, url: str, as_json: bool) -> None:
    """Add the contributor NAME, and print the slug. New names in bylines are added automatically."""
    context = open_context()
    contributor = add_contributor(context.db, context.actor, name, url=url)
    show(_contributor_json(contributor), contributor.slug, as_json=as_json)


@contributor.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """List all contributors."""
    contributors = list_contributors(open_context().db)
    rows = [(person.slug, person.name, person.url) for person in contributors]
    show(
        list(map(_contributor_json, contributors)),
        table(rows, empty="No contributors yet."),
        as_json=as_json,
    )
