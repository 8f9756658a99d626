"""Browsers that are logged in: a cookie holds a token, only its hash is stored."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, selectinload

from models.db.clock import now
from models.db.database import Database
from models.tables.people import Account, LoginSession
from models.text.actor import Actor

SESSION_LIFE = timedelta(days=14)
SEEN_INTERVAL = timedelta(hours=1)
"""The resolution of ``seen_at``, so that most page views write nothing."""


def hash_token(token: str) -> str:
    """The stored hash of a token, or of an address that someone tried."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def open_session(
    tx: Session, account_id: int, browser: str, *, password_hash: str | None = None
) -> str | None:
    """The token of a new session; ``browser`` is a short name for people.

    None where the account is deactivated or no longer has ``password_hash``: comparing a password
    takes a tenth of a second, in which a new one may have ended all sessions.  The account stays
    locked until the commit.
    """
    account = tx.get_one(Account, account_id, with_for_update=True, populate_existing=True)
    if account.ended_at is not None or password_hash not in (None, account.password_hash):
        return None
    token = secrets.token_urlsafe(32)
    opened_at = now(tx)
    tx.execute(delete(LoginSession).where(LoginSession.expires_at < opened_at))
    session = LoginSession(
        token_hash=hash_token(token),
        account_id=account.id,
        created_at=opened_at,
        seen_at=opened_at,
        browser=browser[:200],
        expires_at=opened_at + SESSION_LIFE,
    )
    tx.add(session)
    account.seen_at = opened_at
    return token


def session_account(db: Database, token: str) -> Account | None:
    """The account of a session; None where it has ended."""
    with db.read() as tx:
        session = tx.get(
            LoginSession, hash_token(token), options=[selectinload(LoginSession.account)]
        )
        if session is None or session.expires_at <= now(tx) or session.account.ended_at is not None:
            return None
        is_old = session.seen_at is None or session.seen_at <= now(tx) - SEEN_INTERVAL
    if is_old:
        _note_seen(db, session)
    return session.account


def log_out(db: Database, token: str) -> None:
    with db.begin() as tx:
        tx.execute(delete(LoginSession).where(LoginSession.token_hash == hash_token(token)))


def own_sessions(tx: Session, actor: Actor) -> Sequence[LoginSession]:
    """The actor's sessions, most recently used first."""
    mine = select(LoginSession).where(
        LoginSession.account_id == actor.account_id, LoginSession.expires_at > now(tx)
    )
    return tx.scalars(
        mine.order_by(LoginSession.seen_at.desc().nulls_last(), LoginSession.created_at.desc())
    ).all()


def end_own_session(db: Database, actor: Actor, token_hash: str) -> None:
    """End one of the actor's sessions; of another account nothing is ended."""
    with db.begin() as tx:
        tx.execute(
            delete(LoginSession).where(
                LoginSession.account_id == actor.account_id, LoginSession.token_hash == token_hash
            )
        )


def end_other_sessions(db: Database, actor: Actor, token: str) -> None:
    """End all of the actor's sessions except the one of this token."""
    with db.begin() as tx:
        tx.execute(
            delete(LoginSession).where(
                LoginSession.account_id == actor.account_id,
                LoginSession.token_hash != hash_token(token),
            )
        )


def _note_seen(db: Database, session: LoginSession) -> None:
    with db.begin() as tx:
        values = {"seen_at": now(tx)}
        tx.execute(
            update(LoginSession).where(LoginSession.token_hash == session.token_hash).values(values)
        )
        tx.execute(update(Account).where(Account.id == session.account_id).values(values))
