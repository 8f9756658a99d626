"""Accounts: made, found, and logged in by password or by a link that works once."""

import functools
import hashlib
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address, ip_network

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, select
from sqlalchemy.orm import Session, selectinload

from models.actor import Actor
from models.addresses import normal_address
from models.clock import now
from models.database import Database, rows_changed
from models.errors import Invalid, NotFound
from models.people import Account, LoginLink, LoginSession, Role
from models.texts import NAME, line
from models.throttle import forgive, strike

LINK_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(days=14)
SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 1_000
TRIES = 10  # per address, and ten times as many per network, in each window
COMMAND_LINE = "Command line"

_hasher = PasswordHasher()  # argon2id with the library's current parameters


@functools.cache
def _decoy() -> str:
    """What an unknown address is checked against, so that it takes as long as a wrong password; made when first needed, at 0.2 s."""
    return _hasher.hash(secrets.token_hex())


def add_account(db: Database, actor: Actor, email: str, name: str, role: Role, *, password: str | None = None) -> Account:
    """The account of that address, made if there is none; an existing one is returned as it is."""
    actor.must_be(Role.ADMIN)
    email, name = normal_address(email), line("name", name, NAME, required=True)
    hashed = _hashed(password) if password is not None else None
    with db.begin() as tx:
        account = tx.scalar(select(Account).where(Account.email == email))
        if account is None:
            account = Account(name=name, email=email, role=role, password_hash=hashed, created_at=now(tx))
            tx.add(account)
        return account


def set_password(db: Database, actor: Actor, email: str, password: str) -> Account:
    """Give an account a new password and log it out everywhere; links made before log nobody in."""
    hashed = _hashed(password)
    with db.begin() as tx:
        account = _by_email(tx, email)
        if actor.account_id != account.id:
            actor.must_be(Role.ADMIN)
        account.password_hash = hashed
        for way_in in (LoginSession, LoginLink):
            tx.execute(delete(way_in).where(way_in.account_id == account.id))
        return account


def command_line_account(db: Database) -> Account:
    """The account whose changes are those made by commands; nobody can log in as it."""
    with db.begin() as tx:
        account = tx.scalar(select(Account).where(Account.email.is_(None), Account.name == COMMAND_LINE).order_by(Account.id))
        if account is None:
            account = Account(name=COMMAND_LINE, role=Role.ADMIN, created_at=now(tx))
            tx.add(account)
        return account


def list_accounts(db: Database) -> Sequence[Account]:
    """All that people can log in to, by name."""
    with db.read() as tx:
        return tx.scalars(select(Account).where(Account.email.is_not(None)).order_by(Account.name, Account.id)).all()


def log_in(db: Database, email: str, password: str, network: str) -> str | None:
    """The token of a new session, or None where address and password do not belong together.

    ``network`` is the client's address.  Raises TooMany after ten failures for the address, or a hundred from the
    network, within a quarter of an hour.
    """
    by_address, by_network = _throttle_keys(email, network)
    strike(
        db, {by_address: TRIES, by_network: TRIES * 10}
    )  # counted before the answer is known, so that parallel guesses cannot slip through
    with db.read() as tx:
        try:
            account = _by_email(tx, email)
        except (Invalid, NotFound):
            account = None
    known = account.password_hash if account is not None else None
    if not _matches(known or _decoy(), password) or account is None or known is None:
        return None
    forgive(db, [by_address])  # not the network: who has one account could clear the way to guess at others
    with db.begin() as tx:
        return _open_session(tx, account.id)


def make_login_link(db: Database, actor: Actor, email: str) -> str:
    """A token that logs this account in once within 15 minutes."""
    actor.must_be(Role.ADMIN)
    token = secrets.token_urlsafe(24)
    with db.begin() as tx:
        account = _by_email(tx, email)
        tx.execute(delete(LoginLink).where(LoginLink.expires_at < now(tx)))
        tx.add(LoginLink(token_hash=_digest(token), account_id=account.id, expires_at=now(tx) + LINK_LIFE))
    return token


def use_login_link(db: Database, token: str) -> str | None:
    """The token of a new session; None where the link is unknown, was used or is too old."""
    with db.begin() as tx:
        link = tx.get(LoginLink, _digest(token))
        if link is None or rows_changed(tx, delete(LoginLink).where(LoginLink.token_hash == link.token_hash)) != 1:
            return None
        return _open_session(tx, link.account_id) if link.expires_at > now(tx) else None


def session_account(db: Database, token: str) -> Account | None:
    """The account that is logged in by this token."""
    with db.read() as tx:
        found = tx.get(LoginSession, _digest(token), options=[selectinload(LoginSession.account)])
        if found is None or found.expires_at <= now(tx) or found.account.ended_at is not None:
            return None
        return found.account


def log_out(db: Database, token: str) -> None:
    """End a session."""
    with db.begin() as tx:
        tx.execute(delete(LoginSession).where(LoginSession.token_hash == _digest(token)))


def _throttle_keys(email: str, network: str) -> tuple[str, str]:
    """Under which names tries count: every way to write an address is one, and so is what one customer has of IPv6."""
    try:
        address = normal_address(email)
    except Invalid:
        address = email
    with suppress(ValueError):
        ip = ip_address(network)
        network = str(ip_network((ip, 64), strict=False)) if ip.version == 6 and ip.ipv4_mapped is None else network
    return f"log-in address {_digest(address)}", f"log-in network {network}"[:200]


def _open_session(tx: Session, account_id: int) -> str:
    token = secrets.token_urlsafe(32)
    tx.execute(delete(LoginSession).where(LoginSession.expires_at < now(tx)))
    expires_at = now(tx) + SESSION_LIFE
    tx.add(LoginSession(token_hash=_digest(token), account_id=account_id, created_at=now(tx), expires_at=expires_at))
    return token


def _by_email(tx: Session, email: str) -> Account:
    account = tx.scalar(select(Account).where(Account.email == normal_address(email), Account.ended_at.is_(None)))
    if account is None:
        raise NotFound("account", email)
    return account


def _hashed(password: str) -> str:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Invalid("password", f"use {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.")
    try:
        return _hasher.hash(password)
    except UnicodeEncodeError as exc:
        raise Invalid("password", "it holds characters that cannot be encoded.") from exc


def _matches(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password[:LONGEST_PASSWORD])
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
