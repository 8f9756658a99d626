"""A check value of the site's key, so that a missing or different key is noticed."""

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from config.keys import KEY_LOST, Keys
from config.settings import BadSettings
from models.db.database import Database
from models.tables.ledger import Recipient
from models.tables.stories import Site


def check_key(db: Database, keys: Keys) -> None:
    """Raise BadSettings where the site was set up with another key than ``keys``."""
    with db.read() as tx:
        if not _belongs(tx, keys):
            raise BadSettings(
                "The site was set up with another key than the one in STORYWIRE_SECRET_KEY or"
                f" secret.key. Bring back the key that belongs to this database. {KEY_LOST}"
            )


def remember_key(db: Database, keys: Keys) -> None:
    """Store the check value of ``keys``."""
    with db.begin() as tx:
        tx.execute(update(Site).values(key_check=_key_check(keys)))


def _belongs(tx: Session, keys: Keys) -> bool:
    stored: str | None = tx.scalar(select(Site.key_check))
    if stored is not None:
        return stored == _key_check(keys)
    # A site of an earlier version: try to decrypt a stored target.
    encrypted_url = tx.scalar(
        select(Recipient.sealed_url)
        .where(Recipient.sealed_url.is_not(None))
        .order_by(Recipient.id.desc())
        .limit(1)
    )
    if encrypted_url is None:
        return True
    try:
        Fernet(keys.fernet("target")).decrypt(encrypted_url.encode())
    except InvalidToken:
        return False
    return True


def _key_check(keys: Keys) -> str:
    """A key derived for this purpose (RFC 5869), so it reveals nothing about the others."""
    return keys.derive("key check").hex()
