"""Accounts: creating them, and logging in by password or by a link that works once."""

import functools
import logging
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address, ip_network

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from models.accounts.sessions import hash_token, open_session
from models.alerts.alerts import tell_account
from models.db.clock import now
from models.db.database import Database, rows_changed
from models.db.rate_limit import count_attempt, reset_attempts
from models.tables.people import Account, LinkKind, LoginLink, LoginSession, Role
from models.text.actor import Actor
from models.text.email_address import normal_address
from models.text.errors import Invalid, NotFound, TooManyAttempts
from models.text.texts import MAX_NAME_CHARS, line

log = logging.getLogger(__name__)

LINK_LIFE = {
    LinkKind.LOGIN: timedelta(minutes=15),
    LinkKind.INVITATION: timedelta(days=7),
    LinkKind.RESET: timedelta(minutes=30),
}
MIN_PASSWORD_CHARS = 10
MAX_PASSWORD_CHARS = 1_000
MAX_LOGIN_ATTEMPTS = 10
"""Wrong passwords in each window: for an address from one network, or in a browser it knows.

One network may try ten times as many, and so may all networks together for one address: that blocks
unknown browsers only, so the guesses of others lock nobody out.
"""
COMMAND_LINE = "Command line"

_hasher = PasswordHasher()  # argon2id with the library's current parameters


@functools.cache
def _decoy() -> str:
    """A hash to check for unknown addresses, so that they take as long as a wrong password; made
    when first needed, in 0.2 s.
    """
    return _hasher.hash(secrets.token_hex())


def add_account(
    db: Database, actor: Actor, email: str, name: str, role: Role, *, password: str | None = None
) -> Account:
    """The account of an address, created if there is none; an existing one is unchanged."""
    actor.must_be(Role.ADMIN)
    email, name = normal_address(email), line("name", name, MAX_NAME_CHARS, required=True)
    hashed = hashed_password(password) if password is not None else None
    with db.begin() as tx:
        account = tx.scalar(select(Account).where(Account.email == email))
        if account is None:
            account = Account(
                name=name, email=email, role=role, password_hash=hashed, created_at=now(tx)
            )
            tx.add(account)
            tx.flush()
            log.info(
                "account %s added as %s by account %s", account.id, role.value, actor.account_id
            )
        return account


def set_password(db: Database, actor: Actor, email: str, password: str) -> Account:
    """Give an account a new password, log it out everywhere, and invalidate its links."""
    hashed = hashed_password(password)
    with db.begin() as tx:
        account = _by_email(tx, email)
        if actor.account_id != account.id:
            actor.must_be(Role.ADMIN)
        replace_password(tx, account, hashed)
        return account


def change_own_password(
    db: Database, actor: Actor, token: str, present: str, password: str
) -> None:
    """Give the actor's account a new password, and log it out everywhere except in the session of
    ``token``.

    ``present`` is the current password; an account without one, which logs in by links, needs none.
    Raises TooManyAttempts after ten wrong ones.
    """
    hashed = hashed_password(password)
    key = f"present password {actor.account_id}"
    count_attempt(db, {key: MAX_LOGIN_ATTEMPTS})
    with db.read() as tx:
        known = tx.get_one(Account, actor.account_id).password_hash
    if known is not None and not _matches(known, present):
        raise Invalid("present", "that isn’t your current password.")
    reset_attempts(db, [key])
    with db.begin() as tx:
        replace_password(tx, tx.get_one(Account, actor.account_id), hashed, but=token)


def replace_password(tx: Session, account: Account, hashed: str, *, but: str = "") -> None:
    """Set an account's password, and end its links and its sessions, except the one of the token
    ``but``.

    An account that had a password is notified by mail, in case someone else changed it.
    """
    if account.password_hash is not None:
        tell_account(tx, account, "password", {"account": account.name})
    account.password_hash = hashed
    log.info("account %s has a new password", account.id)
    tx.execute(delete(LoginLink).where(LoginLink.account_id == account.id))
    tx.execute(
        delete(LoginSession).where(
            LoginSession.account_id == account.id, LoginSession.token_hash != hash_token(but)
        )
    )


def command_line_account(db: Database) -> Account:
    """The account of changes that commands make; nobody can log in to it."""
    with db.begin() as tx:
        account = tx.scalar(
            select(Account)
            .where(Account.email.is_(None), Account.name == COMMAND_LINE)
            .order_by(Account.id)
        )
        if account is None:
            account = Account(name=COMMAND_LINE, role=Role.ADMIN, created_at=now(tx))
            tx.add(account)
        return account


def list_accounts(db: Database) -> Sequence[Account]:
    """All accounts that can log in, by name."""
    with db.read() as tx:
        return tx.scalars(
            select(Account).where(Account.email.is_not(None)).order_by(Account.name, Account.id)
        ).all()


def log_in(
    db: Database,
    email: str,
    password: str,
    network: str,
    browser: str = "",
    *,
    known_browser: str = "",
) -> str | None:
    """The token of a new session, or None for a wrong address or password.

    ``network`` is the client's address, ``browser`` a short name of its program. ``known_browser``
    identifies a browser that has logged in to this address before; its attempts count by
    themselves. Raises TooManyAttempts, see `MAX_LOGIN_ATTEMPTS`.
    """
    limits = _login_limits(email, network, known_browser)
    try:
        # counted before the answer is known, so that parallel guesses cannot slip through
        count_attempt(db, limits)
    except TooManyAttempts:
        log.warning("log-in refused from %s: too many tries", network)
        raise
    with db.read() as tx:
        try:
            account = _by_email(tx, email)
        except (Invalid, NotFound):
            account = None
    known = account.password_hash if account is not None else None
    if not _matches(known or _decoy(), password) or account is None or known is None:
        log.warning("log-in failed from %s", network)
        return None
    # The network's count stays, or one valid account would allow guessing at others without limit.
    reset_attempts(db, [next(iter(limits))])
    with db.begin() as tx:
        token = open_session(tx, account.id, browser, password_hash=known)
    if token is None:
        log.warning("log-in failed from %s", network)
    else:
        log.info("log-in of account %s from %s", account.id, network)
    return token


def make_login_link(db: Database, actor: Actor, email: str, kind: LinkKind = LinkKind.LOGIN) -> str:
    """A token that logs the account in once within 15 minutes, or lets it choose a password."""
    actor.must_be(Role.ADMIN)
    with db.begin() as tx:
        return add_login_link(tx, _by_email(tx, email), kind)


def add_login_link(tx: Session, account: Account, kind: LinkKind) -> str:
    """The token of a new link; only its hash is stored."""
    token = secrets.token_urlsafe(24)
    created_at = now(tx)
    tx.execute(delete(LoginLink).where(LoginLink.expires_at < created_at))
    tx.add(
        LoginLink(
            token_hash=hash_token(token),
            account_id=account.id,
            kind=kind,
            expires_at=created_at + LINK_LIFE[kind],
        )
    )
    return token


def account_of_link(tx: Session, token: str, *kinds: LinkKind) -> Account | None:
    """The account of a link of these kinds; None where the link is unknown, used or expired, or the
    account is deactivated.
    """
    holds = (LoginLink.kind.in_(kinds), LoginLink.expires_at > now(tx), Account.ended_at.is_(None))
    return tx.scalar(
        select(Account)
        .join(LoginLink, LoginLink.account_id == Account.id)
        .where(_is_link(token), *holds)
    )


def consume_login_link(tx: Session, token: str, *kinds: LinkKind) -> Account | None:
    """The account of a link, which is deleted: of two concurrent callers one gets it, the other
    None.
    """
    account = account_of_link(tx, token, *kinds)
    if account is None or rows_changed(tx, delete(LoginLink).where(_is_link(token))) != 1:
        return None
    return account


def use_login_link(db: Database, token: str, browser: str = "") -> str | None:
    """The token of a new session; None where the link is unknown, used or expired."""
    with db.begin() as tx:
        account = consume_login_link(tx, token, LinkKind.LOGIN)
        opened = open_session(tx, account.id, browser) if account is not None else None
        if account is not None and opened is not None:
            log.info("log-in of account %s by a link", account.id)
        return opened


def _login_limits(email: str, network: str, known_browser: str) -> dict[str, int]:
    """The limits by key; a right password resets the first key.

    All spellings of an address are one, and so are the addresses of an IPv6 /64.
    """
    if known_browser:
        return {f"log-in browser {hash_token(known_browser)}": MAX_LOGIN_ATTEMPTS}
    try:
        address = normal_address(email)
    except Invalid:
        address = email
    with suppress(ValueError):
        ip = ip_address(network)
        if ip.version == 6 and ip.ipv4_mapped is None:
            network = str(ip_network((ip, 64), strict=False))
    return {
        f"log-in {hash_token(address)} from {network}"[:200]: MAX_LOGIN_ATTEMPTS,
        f"log-in network {network}"[:200]: MAX_LOGIN_ATTEMPTS * 10,
        f"log-in address {hash_token(address)}": MAX_LOGIN_ATTEMPTS * 10,
    }


def _is_link(token: str) -> ColumnElement[bool]:
    return LoginLink.token_hash == hash_token(token)


def _by_email(tx: Session, email: str) -> Account:
    account = tx.scalar(
        select(Account).where(Account.email == normal_address(email), Account.ended_at.is_(None))
    )
    if account is None:
        raise NotFound("account", email)
    return account


def check_password(password: str) -> None:
    if not MIN_PASSWORD_CHARS <= len(password) <= MAX_PASSWORD_CHARS:
        raise Invalid(
            "password",
            "use %(least)s to %(most)s characters.",
            least=str(MIN_PASSWORD_CHARS),
            most=f"{MAX_PASSWORD_CHARS:,}",
        )


def hashed_password(password: str) -> str:
    """The stored hash of a password; raises Invalid where it is too short or too long."""
    check_password(password)
    try:
        return _hasher.hash(password)
    except UnicodeEncodeError as exc:
        raise Invalid("password", "it contains characters we can’t use.") from exc


def _matches(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password[:MAX_PASSWORD_CHARS])
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
