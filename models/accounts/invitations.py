"""Links by mail to choose a password: invitations and password resets."""

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

# in each window of the rate limit
MAX_RESETS_PER_ADDRESS = 3
MAX_RESETS_PER_NETWORK = 30
PASSWORD_LINKS = (LinkKind.INVITATION, LinkKind.RESET)


@dataclass(frozen=True)
class InvitedAccount:
    """An account with the token of its invitation; ``mailed`` is False where its address is
    blocked.
    """

    account: Account
    token: str
    mailed: bool


def invite(
    db: Database, keys: Keys, actor: Actor, email: str, name: str, role: Role
) -> InvitedAccount:
    """Create an account, and mail it a link to choose a password within seven days.

    An account without a password keeps its name and role and gets a new link, which replaces the
    earlier ones.  Raises Invalid for an account with a password.
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
    """Mail the account of an address a link to choose a new password within 30 minutes.

    The caller cannot tell whether there is one.  Raises TooManyAttempts by address and network, and
    by network.  ``known_browser`` identifies a browser that has logged in to this address before,
    which the requests of others do not block.
    """
    email = normal_address(email)
    network = network_of(client)
    if known_browser:
        kind = "reset by browser"
        limits = {f"reset browser {hash_token(known_browser)}": MAX_RESETS_PER_ADDRESS}
    else:
        kind = "reset"
        limits = {
            f"reset network {network}": MAX_RESETS_PER_NETWORK,
            f"reset {hash_address(email)} from {network}": MAX_RESETS_PER_ADDRESS,
        }
    count_attempt(db, limits)
    with db.begin() as tx:
        lock_site(tx)
        active = select(Account).where(Account.email.is_not(None), Account.ended_at.is_(None))
        account = tx.scalar(active.where(Account.email == email))
        other = tx.scalar(active.order_by(Account.id).limit(1))
        if may_mail_today(tx, kind, email) and other is not None:
            with tx.begin_nested() as savepoint:
                # For an unknown address the work is done and rolled back, so that the response time
                # is equal.
                target = account or other
                _mail(tx, keys, target, "reset", add_login_link(tx, target, LinkKind.RESET))
                if account is None:
                    savepoint.rollback()


def account_of_password_link(tx: Session, token: str) -> Account:
    """The account of a link; raises Gone where it is no longer valid."""
    return _found(account_of_link(tx, token, *PASSWORD_LINKS))


def choose_password(db: Database, token: str, password: str, browser: str = "") -> str:
    """Set the password of a link's account, end its sessions and links, and return the token of a
    new session.

    Raises Gone, and Invalid for a bad password, after which the link is still valid.
    """
    with db.read() as tx:
        # hashing takes a tenth of a second and 64 MB, so the link is checked first
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
    """Queue a notice with a link, which is stored encrypted; False where the address is blocked."""
    return tell_account(
        tx, account, notice, {"account": account.name, "sealed": encrypt_token(keys, token)}
    )
