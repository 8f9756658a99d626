"""`storywire account` and `storywire contributor`."""

from urllib.parse import quote

import click

from cli.command_context import CommandContext, json_option, open_context, show, table
from cli.password_input import password_stdin_option, read_password
from models import Account, Contributor, Role
from models.accounts.accounts import add_account, list_accounts, make_login_link, set_password
from models.accounts.invitations import invite
from models.accounts.staff import change_role, end_account, find_account, reopen_account
from models.streams.contributors import add_contributor, list_contributors
from models.tables.people import LinkKind

_ROLES = click.Choice([role.value for role in Role])


@click.group()
def account() -> None:
    """People who log in to the desk."""


def _account(found: Account) -> dict[str, object]:
    return {
        "email": found.email,
        "name": found.name,
        "role": found.role,
        "ended": found.ended_at is not None,
        "seen_at": found.seen_at,
    }


@account.command("add")
@click.argument("email")
@click.option("--name", help="Shown on the desk; the address if left out.")
@click.option(
    "--role",
    type=_ROLES,
    default="editor",
    show_default=True,
    help="author: writes; editor: publishes; admin: all.",
)
@click.option(
    "--password",
    "ask",
    is_flag=True,
    help="Ask for a password; without one, log in by `account login-link`.",
)
@password_stdin_option
@json_option
def add(
    email: str, name: str | None, role: str, ask: bool, password_stdin: bool, as_json: bool
) -> None:
    """Let EMAIL log in.

    Example: storywire account add mara@example.org --name "Mara Eskelund" --role editor --password
    """
    context = open_context()
    password = read_password(from_stdin=password_stdin) if ask or password_stdin else None
    found = add_account(
        context.db, context.actor, email, name or email, Role(role), password=password
    )
    show(_account(found), f"{found.email} may log in as {found.role.value}.", as_json=as_json)


@account.command("invite")
@click.argument("email")
@click.option("--name", help="Shown on the desk; the address if left out.")
@click.option(
    "--role",
    type=_ROLES,
    default="editor",
    show_default=True,
    help="author: writes; editor: publishes; admin: all.",
)
@json_option
def invite_(email: str, name: str | None, role: str, as_json: bool) -> None:
    """Mail EMAIL a link to choose a password within seven days; where no mail can go there, print
    the link.

    Who has not chosen one yet gets a new link, and the earlier one ends.
    """
    context = open_context()
    invited = invite(context.db, context.keys, context.actor, email, name or email, Role(role))
    mailed = invited.mailed and bool(context.settings.mail_url.get_secret_value())
    link = "" if mailed else context.page(f"/login/password/{invited.token}")
    text = link or f"An invitation is on its way to {invited.account.email}."
    show(_account(invited.account) | {"mailed": mailed, "url": link or None}, text, as_json=as_json)


@account.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all accounts."""
    found = list_accounts(open_context().db)
    rows = [
        (one.email, one.role, one.name, "ended" if one.ended_at else one.seen_at or "never seen")
        for one in found
    ]
    show(
        [_account(one) for one in found],
        table(rows, empty="No accounts yet: `storywire account add`."),
        as_json=as_json,
    )


@account.command("password")
@click.argument("email")
@password_stdin_option
@json_option
def password(email: str, password_stdin: bool, as_json: bool) -> None:
    """Give EMAIL a new password, and log it out everywhere.  Asks for the password on a terminal.

    Example: pass show storywire/mara | storywire account password mara@example.org --password-stdin
    """
    context = open_context()
    found = set_password(context.db, context.actor, email, read_password(from_stdin=password_stdin))
    show(_account(found), f"{found.email} has a new password.", as_json=as_json)


@account.command("login-link")
@click.argument("email")
@json_option
def login_link(email: str, as_json: bool) -> None:
    """Print a link that logs EMAIL in once within 15 minutes."""
    context = open_context()
    link = context.page(f"/login/{make_login_link(context.db, context.actor, email)}")
    show({"url": link}, link, as_json=as_json)


@account.command("reset-link")
@click.argument("email")
@json_option
def reset_link(email: str, as_json: bool) -> None:
    """Print a link by which EMAIL chooses a new password within 30 minutes."""
    context = open_context()
    link = context.page(
        f"/login/password/{make_login_link(context.db, context.actor, email, LinkKind.RESET)}"
    )
    show({"url": link}, link, as_json=as_json)


@account.command("role")
@click.argument("email")
@click.argument("role", type=_ROLES)
@json_option
def role_(email: str, role: str, as_json: bool) -> None:
    """Let EMAIL do what ROLE may: author writes, editor publishes, admin all."""
    context = open_context()
    found = change_role(context.db, context.actor, find_account(context.db, email).id, Role(role))
    show(_account(found), f"{found.email} is {found.role.value} now.", as_json=as_json)


@account.command("end")
@click.argument("email")
@json_option
def end(email: str, as_json: bool) -> None:
    """Log EMAIL out everywhere and let it in no more; what it wrote stays."""
    context = open_context()
    found = end_account(context.db, context.actor, find_account(context.db, email).id)
    show(_account(found), f"{found.email} may log in no more.", as_json=as_json)


@account.command("reopen")
@click.argument("email")
@json_option
def reopen(email: str, as_json: bool) -> None:
    """Let EMAIL log in again."""
    context = open_context()
    found = reopen_account(context.db, context.actor, find_account(context.db, email).id)
    show(_account(found), f"{found.email} may log in again as {found.role.value}.", as_json=as_json)


@click.group()
def contributor() -> None:
    """People credited in bylines and on streams."""


def _contributor(found: Contributor) -> dict[str, object]:
    return {"slug": found.slug, "name": found.name, "url": found.url}


def contributor_json(context: CommandContext, found: Contributor) -> dict[str, object]:
    """A contributor as entries and stories show them: with their page here and their own."""
    return {
        "name": found.name,
        "slug": found.slug,
        "url": context.page(f"/contributors/{quote(found.slug)}"),
        "own_url": found.url,
    }


@contributor.command("add")
@click.argument("name")
@click.option("--url", default="", help="Their own page.")
@json_option
def add_one(name: str, url: str, as_json: bool) -> None:
    """Add NAME, or find it; bylines make unknown names by themselves."""
    context = open_context()
    found = add_contributor(context.db, context.actor, name, url=url)
    show(_contributor(found), found.slug, as_json=as_json)


@contributor.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """List all contributors."""
    found = list_contributors(open_context().db)
    rows = [(one.slug, one.name, one.url) for one in found]
    show(
        [_contributor(one) for one in found],
        table(rows, empty="No contributors yet."),
        as_json=as_json,
    )
