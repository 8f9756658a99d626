"""Accounts of the newsroom: names, roles and deactivation.  Their entries stay theirs."""

import logging

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from models.db.clock import now
from models.db.database import Database
from models.db.site import lock_site
from models.tables.people import Account, LoginLink, LoginSession, Role
from models.text.actor import Actor
from models.text.email_address import normal_address
from models.text.errors import Conflict, NotFound
from models.text.texts import MAX_NAME_CHARS, line

log = logging.getLogger(__name__)


def get_account(tx: Session, account_id: int) -> Account:
    """An account that can log in; raises NotFound, also for the command line's."""
    account = tx.get(Account, account_id)
    if account is None or account.email is None:
        raise NotFound("account", str(account_id))
    return account


def find_account(db: Database, email: str) -> Account:
    """The account of an address, even a deactivated one."""
    with db.read() as tx:
        account = tx.scalar(select(Account).where(Account.email == normal_address(email)))
    if account is None:
        raise NotFound("account", email)
    return account


def change_role(db: Database, actor: Actor, account_id: int, role: Role) -> Account:
    """Set an account's role from its next page on; raises Conflict if no admin would remain."""
    with db.begin() as tx:
        account = _to_change(tx, actor, account_id)
        if role is not Role.ADMIN:
            _must_not_be_the_last_admin(tx, account)
        account.role = role
        log.info("account %s is %s now, by account %s", account_id, role.value, actor.account_id)
        return account


def end_account(db: Database, actor: Actor, account_id: int) -> Account:
    """Deactivate an account and log it out; raises Conflict if no admin would remain."""
    with db.begin() as tx:
        account = _to_change(tx, actor, account_id)
        if account.ended_at is None:
            _must_not_be_the_last_admin(tx, account)
            account.ended_at = now(tx)
            log.info("account %s ended by account %s", account_id, actor.account_id)
            for table in (LoginSession, LoginLink):
                tx.execute(delete(table).where(table.account_id == account.id))
        return account


def reopen_account(db: Database, actor: Actor, account_id: int) -> Account:
    """Reactivate an account with its former role and password."""
    with db.begin() as tx:
        account = _to_change(tx, actor, account_id)
        account.ended_at = None
        log.info("account %s reopened by account %s", account_id, actor.account_id)
        return account


def change_own_name(db: Database, actor: Actor, name: str) -> None:
    name = line("name", name, MAX_NAME_CHARS, required=True)
    with db.begin() as tx:
        tx.get_one(Account, actor.account_id).name = name


def _to_change(tx: Session, actor: Actor, account_id: int) -> Account:
    actor.must_be(Role.ADMIN)
    lock_site(tx)  # two admins may deactivate each other concurrently
    return get_account(tx, account_id)


def _must_not_be_the_last_admin(tx: Session, account: Account) -> None:
    admins = select(Account.id).where(
        Account.role == Role.ADMIN, Account.email.is_not(None), Account.ended_at.is_(None)
    )
    if tx.scalars(admins.limit(2)).all() == [account.id]:
        raise Conflict("This is the only admin. Make someone else an admin first.")
