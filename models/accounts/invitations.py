"""Links by mail that let an account choose a password: an invitation, or one that somebody asked
for who forgot theirs.
"""

import logging
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from config.keys import Keys
from models.accounts.accounts import (
    account_of_link,
    add_login_link,
    consume_login_link,
    hashed_password,
    replace_password,
)
from models.accounts.sessions import hash_token, open_session
from models.alerts.alerts import tell_account
from models.db.clock import now
from models.db.database import Database
from models.db.rate_limit import count_attempt, network_of
from models.db.site import lock_site
from models.membership.signup import may_mail_today
from models.tables.people import Account, LinkKind, LoginLink, Role
from models.text.actor import Actor
from models.text.email_address import hash_address, normal_address
from models.text.errors import Gone, Invalid
from models.text.texts import MAX_NAME_CHARS, line
from models.text.tokens import encrypt_token

log = logging.getLogger(__name__)

MAX_RESETS_PER_ADDRESS, MAX_RESETS_PER_NETWORK = 3, 30  # in each window of a throttle
PASSWORD_LINKS = (LinkKind.INVITATION, LinkKind.RESET)


@dataclass(frozen=True)
class InvitedAccount:
    """An account, and the token of the link by which it chooses a password; ``mailed`` is False
    where its address refuses mail.
    """

    account: Account
    token: str
    mailed: bool


def invite(
    db: Database, keys: Keys, actor: Actor, email: str, name: str, role: Role
) -> InvitedAccount:
    """Make an account, and mail it a link by which it chooses a password within seven days.

    One that has not chosen any yet keeps its name and role and gets a new link, and the earlier
    ones end. Raises Invalid for one that has.
    """
    actor.must_be(Role.ADMIN)
    email, name = normal_address(email), line("name", name, MAX_NAME_CHARS, required=True)
    with db.begin() as tx:
        lock_site(tx)
        account = tx.scalar(select(Account).where(Account.email == email))
        if account is None:
            account = Account(name=name, email=email, role=role, created_at=now(tx))
            tx.add(account)
            tx.flush()
        if account.password_hash is not None or account.ended_at is not None:
            raise Invalid(
                "e-mail",
                "%(email)s already has an account (%(name)s).",
                email=email,
                name=account.name,
            )
        tx.execute(
            delete(LoginLink).where(
                LoginLink.account_id == account.id, LoginLink.kind == LinkKind.INVITATION
            )
        )
        token = add_login_link(tx, account, LinkKind.INVITATION)
        log.info(
            "account %s invited as %s by account %s",
            account.id,
            account.role.value,
            actor.account_id,
        )
        return InvitedAccount(account, token, _mail(tx, keys, account, "invitation", token))


def request_password_reset(
    db: Database, keys: Keys, email: str, client: str, *, known_browser: str = ""
) -> None:
    """Mail the account of that address a link by which it chooses a new password within half an
    hour.

    Nobody is told whether there is one. Raises TooMany for an address, known or not, from one
    network, or a network that asks too often. ``known_browser`` names a browser that has logged in
    to this address before: what others ask for keeps no mail from it.
    """
    email = normal_address(email)
    network = network_of(client)
    if known_browser:
        kind, limits = (
            "reset by browser",
            {f"reset browser {hash_token(known_browser)}": MAX_RESETS_PER_ADDRESS},
        )
    else:
        by_address = f"reset {hash_address(email)} from {network}"
        kind, limits = (
            "reset",
            {
                f"reset network {network}": MAX_RESETS_PER_NETWORK,
                by_address: MAX_RESETS_PER_ADDRESS,
            },
        )
    count_attempt(db, limits)
    with db.begin() as tx:
        lock_site(tx)
        active = select(Account).where(Account.email.is_not(None), Account.ended_at.is_(None))
        account = tx.scalar(active.where(Account.email == email))
        other = tx.scalar(active.order_by(Account.id).limit(1))
        if may_mail_today(tx, kind, email) and other is not None:
            with tx.begin_nested() as savepoint:
                # For an address that nobody has the same is done and taken back: the time must not
                # tell.
                found = account or other
                _mail(tx, keys, found, "reset", add_login_link(tx, found, LinkKind.RESET))
                if account is None:
                    savepoint.rollback()


def account_of_password_link(tx: Session, token: str) -> Account:
    """The account that chooses a password by this link; raises Gone where it holds no longer."""
    return _found(account_of_link(tx, token, *PASSWORD_LINKS))


def choose_password(db: Database, token: str, password: str, browser: str = "") -> str:
    """Give the account of a link that password, end all its sessions and links, and return the
    token of a new session.

    Raises Invalid for a password that cannot be taken, after which the link still holds, and Gone.
    """
    with db.read() as tx:
        # a hash takes a tenth of a second and 64 MB: for nobody without a link
        account_of_password_link(tx, token)
    hashed = hashed_password(password)
    with db.begin() as tx:
        account = _found(consume_login_link(tx, token, *PASSWORD_LINKS))
        replace_password(tx, account, hashed)
        opened = open_session(tx, account.id, browser)
        if opened is None:
            raise _gone()
        return opened


def _found(account: Account | None) -> Account:
    if account is None:
        raise _gone()
    return account


def _gone() -> Gone:
    return Gone(
        "link",
        "password",
        "This link was already used or has expired. Request a new one on the log-in page.",
    )


def _mail(tx: Session, keys: Keys, account: Account, notice: str, token: str) -> bool:
    """Owe an account the notice with its link, of which only what is sealed is stored."""
    return tell_account(
        tx, account, notice, {"account": account.name, "sealed": encrypt_token(keys, token)}
    )
