"""Browsers that are logged in: a cookie holds a token, only its hash is stored."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, selectinload

from models.db.clock import now
from models.db.database import Database
from models.tables.people import Account, LoginSession
from models.text.actor import Actor

SESSION_LIFE = timedelta(days=14)
SEEN_INTERVAL = timedelta(hours=1)
"""So often at most is written down that a browser was here: most pages are read without a write."""


def hash_token(token: str) -> str:
    """What is stored of a token, and of an address that somebody tries."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def open_session(
    tx: Session, account_id: int, browser: str, *, password_hash: str | None = None
) -> str | None:
    """The token of a new session; ``browser`` is a short name for people.

    None where the account has ended, or no longer has the password of ``password_hash``: to compare
    a password takes a tenth of a second, and meanwhile a new one may have ended all sessions. The
    account stays locked until the commit.
    """
    account = tx.get_one(Account, account_id, with_for_update=True, populate_existing=True)
    if account.ended_at is not None or password_hash not in (None, account.password_hash):
        return None
    token, moment = secrets.token_urlsafe(32), now(tx)
    tx.execute(delete(LoginSession).where(LoginSession.expires_at < moment))
    session = LoginSession(
        token_hash=hash_token(token),
        account_id=account.id,
        created_at=moment,
        seen_at=moment,
        browser=browser[:200],
        expires_at=moment + SESSION_LIFE,
    )
    tx.add(session)
    account.seen_at = moment
    return token


def session_account(db: Database, token: str) -> Account | None:
    """The account that is logged in by this token."""
    with db.read() as tx:
        found = tx.get(
            LoginSession, hash_token(token), options=[selectinload(LoginSession.account)]
        )
        if found is None or found.expires_at <= now(tx) or found.account.ended_at is not None:
            return None
        unseen = _is_old(found.seen_at, now(tx))
    if unseen:
        _note_seen(db, found)
    return found.account


def log_out(db: Database, token: str) -> None:
    """End a session."""
    with db.begin() as tx:
        tx.execute(delete(LoginSession).where(LoginSession.token_hash == hash_token(token)))


def own_sessions(tx: Session, actor: Actor) -> Sequence[LoginSession]:
    """Where the actor is logged in, the one seen last first."""
    mine = select(LoginSession).where(
        LoginSession.account_id == actor.account_id, LoginSession.expires_at > now(tx)
    )
    return tx.scalars(
        mine.order_by(LoginSession.seen_at.desc().nulls_last(), LoginSession.created_at.desc())
    ).all()


def end_own_session(db: Database, actor: Actor, token_hash: str) -> None:
    """End one of the actor's sessions; one that is not there, or another's, is left as it is."""
    with db.begin() as tx:
        tx.execute(
            delete(LoginSession).where(
                LoginSession.account_id == actor.account_id, LoginSession.token_hash == token_hash
            )
        )


def end_other_sessions(db: Database, actor: Actor, token: str) -> None:
    """End all of the actor's sessions but the one of this token."""
    with db.begin() as tx:
        tx.execute(
            delete(LoginSession).where(
                LoginSession.account_id == actor.account_id,
                LoginSession.token_hash != hash_token(token),
            )
        )


def _is_old(seen_at: datetime | None, moment: datetime) -> bool:
    return seen_at is None or seen_at <= moment - SEEN_INTERVAL


def _note_seen(db: Database, found: LoginSession) -> None:
    with db.begin() as tx:
        seen = {"seen_at": now(tx)}
        tx.execute(
            update(LoginSession).where(LoginSession.token_hash == found.token_hash).values(seen)
        )
        tx.execute(update(Account).where(Account.id == found.account_id).values(seen))
